"""The file of scheduled reports."""

from pathlib import Path

from assess_core.domain.schedules import MOST_BYTES, Schedules, parse_schedules
from assess_core.errors import BadSettings


def read_schedules(path: Path) -> Schedules:
    """The schedules of a file, and what is wrong in it. Raises `BadSettings` if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadSettings(
            f"ASSESS_SCHEDULES: {str(path)!r} cannot be read: {error.strerror}; check the path and its permissions"
        ) from error
    return parse_schedules(content, str(path))
