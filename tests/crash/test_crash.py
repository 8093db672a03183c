"""A fixed set of crash runs. `make crash N=1000` does more."""

import os
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest

from tests.forked import Forked

ROOT = Path(__file__).parents[2]
IN_CI = os.environ.get("CI") == "true"
SEEDS = 3 if IN_CI else 1
"""Seeds per test. In CI, the embedded runs have every plan: two erase a learner, two drop a batch, one does both."""


def crash(first: int, seeds: int, folder: Path, *options: str, **variables: str) -> None:
    """Run seeds in their own process, because the forking process must have no threads."""
    words = ["-m", "tests.crash", "--seed", str(first), "--seeds", str(seeds), *options]
    env = {**os.environ, "TMPDIR": str(folder), **variables}
    with Forked[str](words, cwd=ROOT, env=env, stdout=PIPE, stderr=STDOUT, text=True) as process:
        printed, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, printed


@pytest.mark.long
@pytest.mark.parametrize("first", [146, 149])
def test_killed_processes_lose_nothing_and_no_result_is_wrong(first: int, tmp_path: Path) -> None:
    crash(first, SEEDS, tmp_path)


@pytest.mark.long
def test_killed_processes_lose_nothing_and_no_result_is_wrong_on_cassandra(
    tmp_path: Path, cassandra_url: str, worker_id: str
) -> None:
    crash(
        148, 2 if IN_CI else 1, tmp_path, "--stores", "cassandra", ASSESS_HOT_STORE=f"{cassandra_url}/crash_{worker_id}"
    )
