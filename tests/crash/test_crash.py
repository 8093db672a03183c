"""A fixed set of crash runs. `make crash N=1000` does more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IN_CI = os.environ.get("CI") == "true"
SEEDS = 4 if IN_CI else 2
"""Seeds per test. In CI, the 12 embedded runs have every plan of erasure and retention, and take a minute of a core."""


def crash(first: int, seeds: int, folder: Path, *options: str, **variables: str) -> None:
    """Run seeds in their own process, because the forking process must have no threads."""
    words = [sys.executable, "-m", "tests.crash", "--seed", str(first), "--seeds", str(seeds), *options]
    env = {**os.environ, "TMPDIR": str(folder), **variables}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("first", [101, 201, 301])
def test_killed_processes_lose_nothing_and_no_result_is_wrong(first: int, tmp_path: Path) -> None:
    crash(first, SEEDS, tmp_path)


@pytest.mark.long
def test_killed_processes_lose_nothing_and_no_result_is_wrong_on_cassandra(
    tmp_path: Path, cassandra_url: str, worker_id: str
) -> None:
    crash(101, SEEDS - 1, tmp_path, "--stores", "cassandra", ASSESS_HOT_STORE=f"{cassandra_url}/crash_{worker_id}")
