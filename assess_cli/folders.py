"""Creates folders; errors name the setting and what to do."""

from pathlib import Path

from assess_core.errors import AssessError, BadSettings, StoreUnavailable, is_full


def make_folder(folder: Path, setting: str) -> None:
    """Create a folder and its parents; an existing folder is not changed. Raises `BadSettings`, `StoreUnavailable`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, setting, error) from error


def cannot_write(path: Path, setting: str, error: OSError) -> AssessError:
    """The error for a file or folder that cannot be written."""
    why = f"{setting}: {str(path)!r} cannot be written: {error.strerror}"
    if is_full(error):
        return StoreUnavailable(f"{why}; free some space, then run it again")
    return BadSettings(f"{why}; name another one, or let this user write it")
