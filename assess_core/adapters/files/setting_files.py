"""Small files that a setting names."""

from pathlib import Path

from assess_core.errors import BadSettings


def read_setting_file(setting: str, path: Path, most_bytes: int) -> bytes:
    """The content; of a larger file, one byte more than `most_bytes`. Raises `BadSettings` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most_bytes + 1)
    except OSError as error:
        raise BadSettings(
            f"{setting}: {str(path)!r} cannot be read: {error.strerror}; check the path and its permissions"
        ) from error
