"""Clients write and read while slices are archived and cleared: `python -m tests.race` does it for longer."""

from pathlib import Path

import pytest

from tests.race import run


@pytest.mark.long
def test_no_acknowledged_attempt_is_lost_while_slices_are_cleared_and_a_server_is_killed(tmp_path: Path) -> None:
    found = run(tmp_path / "home", seconds=1, clients=64, pause=0.3)

    assert found.problems == []
    assert found.kills == 1
    assert found.acknowledged > 0
    assert found.reads > 0
    assert found.cleared > 0
