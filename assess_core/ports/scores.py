"""The table `scores` of the lake: the names of its files, and what changes in it."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from assess_core.domain.slices import ArchiveSlice

SCORES: Final = "scores"
"""The name of the table. The names of its files begin with it and a slash, so no file of `attempts` has such a name."""


def url_of(name: str, attempts: str) -> str:
    """The URL of a file by its name (`lake.name_of`); `attempts` is the URL of that table."""
    root = attempts.rpartition("/")[0] if name.startswith(f"{SCORES}/") else attempts
    return f"{root}/{name}"


def shown(name: str) -> str:
    """The name of a file within the lake: with that of its table."""
    return name if name.startswith(f"{SCORES}/") else f"attempts/{name}"


class Totalled(NamedTuple):
    """The corrected totals of a version."""

    content_hash: bytes
    score: float
    max_score: float


class ScoresDraft(NamedTuple):
    """How a week of `scores` changes."""

    keep: Collection[ArchiveSlice] = ()
    """Slices whose scores are taken from the rows of `attempts`. Scores of other copies of them stay."""
    leave: Collection[ArchiveSlice] = ()
    """Slices whose scores are left out."""
    totals: Iterator[list[Totalled]] = iter(())
    """The corrected totals of versions in `keep`, in chunks; a version can be in it twice."""
    without_learners: Collection[str] = ()
    """Learners whose scores are left out."""
