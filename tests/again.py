"""`python -m tests.again`: run the few tests that failed in the last run once more, without others beside them.

Tests of servers that are killed have deadlines. If the machine has other work too, a test may miss its deadline. A test
that passes alone is named in a warning, so that it is mended, and the change passes. A test that fails again fails the
change, and so do failed tests of more than three files: if the servers of a file do not start, all its tests fail.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FAILED: Final = Path(".pytest_cache/v/cache/lastfailed")
MOST: Final = 3


def ids(recorded: Sequence[str]) -> list[str]:
    """The ids of tests as pytest takes them: without the name of the group that pytest-xdist appends."""
    return [id_ if id_.endswith("]") else id_.partition("::")[0] + _function(id_) for id_ in recorded]


def _function(id_: str) -> str:
    _, separator, function = id_.partition("::")
    return separator + (function.rpartition("@")[0] or function)


def main() -> None:
    """Exit code 1 if a test fails again, or if tests of too many files failed."""
    failed = ids([*json.loads(FAILED.read_text(encoding="utf-8"))]) if FAILED.exists() else []
    files = len({id_.partition("::")[0] for id_ in failed})
    if not 0 < files <= MOST:
        sys.exit(f"tests of {files} files failed; only those of 1 to {MOST} run again")
    listed = "\n  ".join(failed)
    print(f"these tests failed and run again, alone:\n  {listed}", flush=True)
    if subprocess.run([sys.executable, "-m", "pytest", "-v", *failed], check=False).returncode:
        sys.exit("tests failed again")
    print(f"WARNING: these tests failed beside others and passed alone, so they have a fault to mend:\n  {listed}")


if __name__ == "__main__":
    main()
