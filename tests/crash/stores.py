"""The hot store that a run uses."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from tests.crash.workers import in_a_child
from tests.keyspaces import SHARDS, Keyspace
from tests.servers import instance

KEYSPACE: Final = "crash"


@contextmanager
def servers(stores: Literal["embedded", "cassandra"]) -> Iterator[Mapping[str, str]]:
    """The variables for the servers. A Cassandra node is started unless ASSESS_HOT_STORE has the URL of one.

    `empty` clears the keyspace before each run.
    """
    if stores == "embedded":
        yield {}
    elif (given := os.environ.get("ASSESS_HOT_STORE", "")).startswith("cassandra://"):
        yield _prepared(given)
    else:
        temporary = tempfile.TemporaryDirectory(prefix="assess-crash-servers-")
        with temporary as folder, instance(Path(folder), "cassandra") as own:
            parts = urlsplit(own.env["ASSESS_HOT_STORE"])
            yield _prepared(f"{parts.scheme}://{parts.netloc}/{KEYSPACE}")


def _prepared(url: str) -> Mapping[str, str]:
    in_a_child(lambda: Keyspace(url).schema.apply(None, SHARDS))
    return {"ASSESS_HOT_STORE": url}


def empty(env: Mapping[str, str]) -> None:
    """Delete all rows of the previous run."""
    if url := env.get("ASSESS_HOT_STORE"):
        in_a_child(lambda: Keyspace(url).clear(erased=True))
