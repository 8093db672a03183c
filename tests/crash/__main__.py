"""`python -m tests.crash --seed 7` is one crash run, `--seeds 100` that many from there on.

A seed that fails prints what happened in it, what is wrong, where its folder is, and how to run it again.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.crash.driver import Counts, CrashRun
from tests.crash.expectations import Wrong
from tests.crash.stores import empty, servers
from tests.crash.workers import Hangs


def main() -> int:
    """The exit code: 1 where a seed failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after the other")
    parser.add_argument("--stores", choices=("embedded", "cassandra"), default="embedded", help="the hot store")
    parser.add_argument("--story", action="store_true", help="print what happens, also where nothing goes wrong")
    asked = parser.parse_args()
    begun = time.monotonic()
    sums = [0] * len(Counts._fields)
    failed = 0
    with servers(asked.stores) as env:
        for seed in range(asked.seed, asked.seed + asked.seeds):
            counts = _run(seed, env, asked.story, f"python -m tests.crash --stores {asked.stores} --seed {seed}")
            failed += counts is None
            sums = [sum(pair) for pair in zip(sums, counts or [0] * len(sums), strict=True)]
    all_ = Counts(*sums)
    print(
        f"{asked.seeds} seeds, {failed} failed: {all_.workers} processes, {all_.killed} killed, {all_.clears} clears, "
        f"{all_.reads} reads compared, {time.monotonic() - begun:.0f} s"
    )
    return int(failed > 0)


def _run(seed: int, env: Mapping[str, str], story: bool, again: str) -> Counts | None:
    """What happened in a run; None where it failed."""
    folder = Path(tempfile.mkdtemp(prefix=f"assess-crash-{seed}-"))
    run = CrashRun(seed, folder, env)
    empty(env)
    try:
        counts = run.run()
    except (Wrong, Hangs) as error:
        print(*run.story, f"seed {seed}: {error}", f"its folder is {folder}; again: {again}", sep="\n", flush=True)
        return None
    if story:
        print(*run.story, sep="\n")
    shutil.rmtree(folder)
    return counts


if __name__ == "__main__":
    sys.exit(main())
