"""`assess demo`: the whole loop with the real commands, on a small log."""

from pathlib import Path

import pytest

from assess_cli import demo
from assess_core.errors import BadSettings


@pytest.mark.long
def test_the_whole_loop_changes_no_query_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo.run(tmp_path / "demo", events=100)
    output = capsys.readouterr().out
    assert "100 events = 94 stored" in output
    assert "All the same" in output
    assert "CHANGED" not in output


def test_a_demo_deletes_only_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(BadSettings, match="not a demo's folder"):
        demo.run(tmp_path, events=1)
    assert (tmp_path / "holiday.jpg").exists()
