"""Sizes in bytes, as people write them: `512MB`, `2GB`."""

import re
from typing import Final

from assess_core.errors import BadSettings

_SIZE: Final = re.compile(r"(\d{1,15}) ?([KMGT]?)B", re.IGNORECASE | re.ASCII)
_UNITS: Final = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_LEAST: Final = 64_000_000


def size_text(size: int) -> str:
    """The inverse of `parse_size`, in the largest unit that divides the size: `10GB`."""
    unit = next(unit for unit in reversed(_UNITS) if size % _UNITS[unit] == 0)
    return f"{size // _UNITS[unit]}{unit}B"


def parse_size(text: str, name: str) -> int | None:
    """The size in bytes; None if the text is empty. Raises `BadSettings`, which names the setting."""
    if not text:
        return None
    found = _SIZE.fullmatch(text.strip())
    size = int(found[1]) * _UNITS[found[2].upper()] if found else 0
    if size < _LEAST:
        raise BadSettings(f"{name}: {text[:40]!r} is not a size of at least 64MB; write e.g. 512MB or 2GB")
    return size
