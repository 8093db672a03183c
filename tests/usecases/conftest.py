"""Stores with tickets, made once for the tests of a module."""

from pathlib import Path

import pytest

from assess_core.ports.stores import Stores
from tests.tickets import Aged, aged_stores, copy_of_first, with_first


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the lake of the first attempts."""
    folder = tmp_path_factory.mktemp("first")
    with_first(folder)
    return folder


@pytest.fixture
def ticketed(first: Path, tmp_path: Path) -> Stores:
    """The first attempts in stores of their own: half of them in the lake, the others in the hot store."""
    return copy_of_first(first, tmp_path)


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Aged:
    """Stores long after their tickets were made. Tests must not change them."""
    return aged_stores(tmp_path_factory.mktemp("aged"))
