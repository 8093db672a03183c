"""Two workers of requests, one of which is killed: each request is published once, and none is stuck."""

from pathlib import Path

import pytest

from tests.crash.requests import run


@pytest.mark.long
def test_each_request_is_published_once_although_a_worker_is_killed(tmp_path: Path) -> None:
    found = run(tmp_path / "home", requests=60, channels=4, kills=2)

    assert found.kills == 2
    assert found.statuses == {"SUCCESS": 60}
    assert found.files == 60
    assert found.others <= 2 * found.kills  # a kill leaves at most a report and its sidecar
