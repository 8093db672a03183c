"""The file of the rules of retention."""

from pathlib import Path

from assess_core.domain.retention import MOST_BYTES, Rules, parse_rules
from assess_core.errors import BadSettings


def read_retention(path: Path) -> Rules:
    """The rules in a file. Raises `BadSettings` if it cannot be read or a rule is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadSettings(
            f"ASSESS_RETENTION: {str(path)!r} cannot be read: {error.strerror}; check the path and its permissions"
        ) from error
    return parse_rules(content, str(path))
