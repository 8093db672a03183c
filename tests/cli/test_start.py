"""The start of a command: it imports only the libraries that it uses, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from tests.factories import event
from tests.loop import put_away, take

HEAVY = ("numpy", "pyarrow", "deltalake", "duckdb", "dagster", "rich", "tenacity", "asyncio", "packaging", "matplotlib")
CHEAP = (
    ("--help",),
    ("settings",),
    ("score", "--user", "u1", "--assessment", "a1"),
    ("table", "summaries"),
    ("table", "activity", "--format", "csv"),
    ("table", "failed", "--format", "jsonl"),
    ("schema", "show"),
    ("schema", "check"),
)
_RUN = """
import json, sys
from assess_cli import main
try:
    main(sys.argv[1:], prog_name="assess")
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


@pytest.fixture
def archived(stores: Stores, settings: Settings) -> Settings:
    """A store with an attempt that is archived and cleared, and a failed event."""
    take(stores, event(user="u1"), b"nonsense")
    put_away(stores)
    return settings


def imported_by(settings: Settings, *arguments: str) -> set[str]:
    """The libraries that a successful command imports."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _RUN, *arguments],
        env={**os.environ, **settings.env()},
        capture_output=True,
        text=True,
        check=True,
    )
    code, imported = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(imported)


@pytest.mark.parametrize("arguments", CHEAP, ids=" ".join)
def test_a_cheap_command_imports_no_library_of_the_lake(archived: Settings, arguments: tuple[str, ...]) -> None:
    assert not set(HEAVY) & imported_by(archived, *arguments)


def test_the_list_of_slices_needs_the_manifest_but_no_query_engine(archived: Settings) -> None:
    assert set(HEAVY) & imported_by(archived, "slices") == {"numpy", "pyarrow", "deltalake"}
