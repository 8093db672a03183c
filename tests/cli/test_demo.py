"""`assess demo` deletes nothing of others. tests/test_readme.py runs the whole demo."""

from pathlib import Path

import pytest

from assess_cli import demo
from assess_core.errors import BadSettings


def test_a_demo_deletes_only_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(BadSettings, match="not a demo's folder"):
        demo.run(tmp_path, events=1)
    assert (tmp_path / "holiday.jpg").exists()
