"""The API over the stores of one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assess_core.ports.stores import Stores
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.loop import queries


@pytest.fixture
def http(stores: Stores, tmp_path: Path) -> Iterator[Http]:
    """A client of the app, which writes attempts into the log folder."""
    intake = stores.log.intake()
    with client(create_app(queries(stores, tmp_path), intake)) as found:
        yield found
    intake.close()
