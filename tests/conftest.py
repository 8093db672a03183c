"""Fixtures that all tests share: paths, settings and empty stores."""

import gc
import os
import sys
from pathlib import Path
from typing import Protocol

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.ports.hot_store import HotStore
from assess_core.ports.log import Positions
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from tests.memory_folder import use_memory_for_temporary_files

# Where this variable is set, each worker and each process that a test starts would compile all packages again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

use_memory_for_temporary_files()  # before anything asks for the folder of temporary files

pytest_plugins = ["tests.servers", "tests.keyspaces", "tests.places"]

SUNBIRD = Path(__file__).parents[2] / "shared" / "fixtures" / "sunbird"


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Collecting makes half a million objects that stay. Searching them for garbage takes a fifth of its time."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()  # and searching them during the tests, too


class Hot(HotStore, Positions, Protocol):
    """A hot store that also stores the positions of the log, like all our hot stores."""


@pytest.fixture(scope="session")
def sunbird() -> Path:
    """The reference data. It is not part of the repository, so its tests are skipped if it is missing."""
    if not SUNBIRD.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the reference data is missing: {SUNBIRD} is not a folder")
        pytest.skip(f"the reference data is missing: {SUNBIRD} is not a folder")
    return SUNBIRD


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Default settings in a temporary home folder, but with 3 shards, so that shards matter."""
    home = tmp_path / "home"
    return Settings.from_env({"ASSESS_HOT_STORE": f"sqlite:///{home / 'hot.sqlite'}?shards=3"}, str(home))


@pytest.fixture
def stores(settings: Settings) -> Stores:
    """All embedded stores, empty, opened like in the product."""
    from assess_core.wiring import open_stores

    return open_stores(settings)


@pytest.fixture(params=["memory", "sqlite", "cassandra"])
def hot(request: pytest.FixtureRequest, tmp_path: Path) -> Hot:
    """An empty hot store with 4 shards, once for every adapter."""
    if request.param == "memory":
        return MemoryHot(shards=4)
    if request.param == "cassandra":
        store: Hot = request.getfixturevalue("cassandra_hot")
        return store
    from assess_core.adapters.sqlite.hot_store import SqliteHot

    return SqliteHot(f"sqlite:///{tmp_path / 'hot.sqlite'}?shards=4")
