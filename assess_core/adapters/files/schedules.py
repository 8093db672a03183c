"""The file of scheduled reports."""

from pathlib import Path

from assess_core.adapters.files.setting_files import read_setting_file
from assess_core.domain.schedules import MOST_BYTES, Schedules, parse_schedules


def read_schedules(path: Path) -> Schedules:
    """The schedules of a file, and what is wrong in it. Raises `BadSettings` if it cannot be read."""
    return parse_schedules(read_setting_file("ASSESS_SCHEDULES", path, MOST_BYTES), str(path))
