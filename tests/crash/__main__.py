"""`python -m tests.crash --seed 7`: one run; `--seeds 100`: that many from there on."""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.crash.driver import CrashRun, Tally
from tests.crash.expectations import Wrong
from tests.crash.workers import Hangs


def main() -> int:
    """How many seeds failed, at most 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after the other")
    parser.add_argument("--story", action="store_true", help="print what happens in each run")
    asked = parser.parse_args()
    totals = Tally(0, 0, 0, 0, 0.0)
    failed = 0
    begun = time.monotonic()
    for seed in range(asked.seed, asked.seed + asked.seeds):
        folder = Path(tempfile.mkdtemp(prefix=f"assess-crash-{seed}-"))
        run = CrashRun(seed, folder, {})
        try:
            tally = run.run()
        except Exception as error:
            failed += 1
            print("\n".join(run.story))
            if not isinstance(error, Wrong | Hangs):
                traceback.print_exc()
            print(f"seed {seed}: {error}\nits folder is {folder}; again: python -m tests.crash --seed {seed} --story")
        else:
            if asked.story:
                print("\n".join(run.story))
            shutil.rmtree(folder)
            totals = Tally(*map(sum, zip(totals, tally, strict=True)))
    spent = time.monotonic() - begun
    print(f"{asked.seeds} runs, {failed} failed: {totals.workers} workers, {totals.killed} killed, {totals.cleared} clears, {totals.reads} reads, {spent:.1f} s")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
