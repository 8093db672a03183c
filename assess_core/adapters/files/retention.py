"""The file of the rules of retention."""

from pathlib import Path

from assess_core.adapters.files.setting_files import read_setting_file
from assess_core.domain.retention import MOST_BYTES, Rules, parse_rules


def read_retention(path: Path) -> Rules:
    """The rules in a file. Raises `BadSettings` if it cannot be read or a rule is wrong."""
    return parse_rules(read_setting_file("ASSESS_RETENTION", path, MOST_BYTES), str(path))
