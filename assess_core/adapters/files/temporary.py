"""Temporary folders. A full or missing TMPDIR raises an error that says what to do."""

from tempfile import TemporaryDirectory

from assess_core.errors import StoreUnavailable


def temporary_folder(prefix: str) -> TemporaryDirectory[str]:
    """A folder that is deleted when its block ends. Raises `StoreUnavailable` if it cannot be made."""
    try:
        return TemporaryDirectory(prefix=prefix)
    except OSError as error:
        raise StoreUnavailable(
            f"there is no room for temporary files ({error.strerror}); free some, or set TMPDIR to another folder"
        ) from error
