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


@pytest.mark.parametrize("arguments", CHEAP, ids=" ".join)
def test_a_cheap_command_imports_no_library_of_the_lake(
    stores: Stores, settings: Settings, arguments: tuple[str, ...]
) -> None:
    take(stores, event(user="u1"), b"nonsense")
    put_away(stores)

    done = subprocess.run(
        [sys.executable, "-P", "-c", _RUN, *arguments],
        env={**os.environ, **settings.env()},
        capture_output=True,
        text=True,
        check=True,
    )

    code, imported = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    assert not set(HEAVY) & set(imported)
