"""`python -m tests.crash --seed 7` does one crash run. `--seeds 100` does a hundred runs, starting with that seed.

A failing seed prints its story, the first difference, its folder, and the command that repeats it.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.crash.driver import Counts, CrashRun
from tests.crash.expectations import Wrong
from tests.crash.stores import empty, servers
from tests.crash.workers import Hangs

_EVERY: Final = 20
"""Seeds between two progress lines."""


def main() -> int:
    """Returns the exit code: 1 if a seed failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="the number of seeds, which run in sequence")
    parser.add_argument("--stores", choices=("embedded", "cassandra"), default="embedded", help="the hot store")
    parser.add_argument("--story", action="store_true", help="print the story of every run, also if it succeeds")
    options = parser.parse_args()
    totals = _Totals()
    with servers(options.stores) as env:
        for seed in range(options.seed, options.seed + options.seeds):
            totals.add(_run(seed, env, options.story, f"python -m tests.crash --stores {options.stores} --seed {seed}"))
            if totals.seeds % _EVERY == 0 and totals.seeds < options.seeds:
                print(totals, file=sys.stderr)
    print(totals)
    return int(totals.failed > 0)


class _Totals:
    """Totals over all runs."""

    def __init__(self) -> None:
        self.seeds = self.failed = 0
        self._counts = Counts(0, 0, 0, 0)
        self._begun = time.monotonic()

    def add(self, counts: Counts | None) -> None:
        """Add a run; None stands for a failed one."""
        self.seeds += 1
        self.failed += counts is None
        self._counts = Counts(*map(sum, zip(self._counts, counts or Counts(0, 0, 0, 0), strict=True)))

    def __str__(self) -> str:
        workers, killed, clears, reads = self._counts
        spent = time.monotonic() - self._begun
        return (
            f"{self.seeds} seeds, {self.failed} failed: {workers} processes, {killed} killed, {clears} clears, "
            f"{reads} reads compared, {spent:.0f} s"
        )


def _run(seed: int, env: Mapping[str, str], story: bool, again: str) -> Counts | None:
    """Do one run; returns None if it failed."""
    folder = Path(tempfile.mkdtemp(prefix=f"assess-crash-{seed}-"))
    run = CrashRun(seed, folder, env)
    empty(env)
    try:
        counts = run.run()
    except (Wrong, Hangs) as error:
        print(
            *run.story, f"seed {seed}: {error}", f"its folder is {folder}; to repeat it: {again}", sep="\n", flush=True
        )
        return None
    if story:
        print(*run.story, sep="\n")
    shutil.rmtree(folder)
    return counts


if __name__ == "__main__":
    sys.exit(main())
