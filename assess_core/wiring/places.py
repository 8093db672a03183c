"""The places that settings name: folders, buckets, and the packages that servers need."""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assess_core.errors import BadSettings
from assess_core.ports.reports import Exhausts

if TYPE_CHECKING:
    from assess_core.adapters.duckdb.location import Location

S3: Final = "s3://"


def reports_at(name: str, text: str) -> Exhausts:
    """The folder or bucket for files that a setting or an option names. Raises `BadSettings`."""
    if text.startswith(S3):
        with servers_extra(name):
            from assess_core.adapters.s3.bucket import Bucket, BucketExhausts

        return BucketExhausts(Bucket.of(name, text))
    from assess_core.adapters.files.exhausts import FolderExhausts

    return FolderExhausts(folder(name, text))


def location(name: str, text: str) -> "Location":
    """The folder or bucket of the lake that a setting names. Raises `BadSettings`."""
    if text.startswith(S3):
        with servers_extra(name):
            from assess_core.adapters.s3.bucket import Bucket

        return Bucket.of(name, text)
    from assess_core.adapters.lake.locations import Folder

    return Folder.of(name, folder(name, text))


@contextmanager
def servers_extra(name: str) -> Iterator[None]:
    """Raise `BadSettings` if a package for servers is not installed: these packages are an optional extra."""
    try:
        yield
    except ImportError as error:
        raise BadSettings(
            f"{name}: {error.name} is not installed; pip install 'assessment-lakehouse[servers]'"
        ) from error


def folder(name: str, text: str) -> Path:
    """The path that a setting names. Raises `BadSettings` for a URL."""
    if "://" in text:
        other = " or s3://BUCKET/PREFIX" if name in ("ASSESS_LAKE", "ASSESS_EXHAUSTS", "--to") else ""
        raise BadSettings(f"{name}: {text!r} is not a path; use a folder{other}")
    return Path(text).absolute()


def new_file(path: Path) -> AbstractContextManager[Path]:
    """A temporary file, which becomes this file at the end of the block; only its owner can read it.

    Raises `BadSettings` for a pipe or a device; `StoreUnavailable`, `ReportFailed` if it cannot be written.
    """
    from assess_core.adapters.files.atomic_write import atomic_write

    target = Path(os.path.realpath(path))  # a link is kept, and its target is written
    if target.exists() and not target.is_file():
        raise BadSettings(f"--output: {str(path)!r} is no regular file; name another one, or leave it out")
    return atomic_write(target)


def clock() -> int:
    """The clock of this machine (epoch ms)."""
    return time.time_ns() // 1_000_000
