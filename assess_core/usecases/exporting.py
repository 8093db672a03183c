"""Use case: write slices as archive files of Sunbird, for programs that still read those."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from assess_core.domain.archive_files import file_name
from assess_core.domain.archive_writing import archive_texts
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_spec import Versions
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.reports import Exhausts
from assess_core.ports.stores import Stores

Pack = Callable[[Iterable[bytes], Path], object]
"""Writes texts to a gzip file."""


class Exported(NamedTuple):
    """The file of a slice."""

    slice: ArchiveSlice
    rows: int
    bytes: int
    path: str


def export_slices(
    slices: Sequence[ArchiveSlice], stores: Stores, target: Exhausts, pack: Pack, versions: Versions
) -> Iterator[Exported]:
    """Write a file for each slice: the newest version of each attempt in it, or all versions in it.

    Reads both tiers, so a slice need not be archived. A file appears whole or not at all, and an existing one is
    replaced. The same rows give the same bytes. Raises `ReportFailed`, `StoreUnavailable`.
    """
    for slice_ in slices:
        name = file_name(slice_)
        with stores.union(batches=[slice_.batch_id], weeks=[slice_.week]) as union:
            rows = _Counted(union.all_versions() if versions is Versions.ALL else union.all_attempts())
            with target.atomic_write(name) as temporary:
                pack(archive_texts(rows), temporary)
                size = temporary.stat().st_size
        yield Exported(slice_, rows.count, size, target.path(name))


class _Counted:
    """Counts rows while they pass."""

    def __init__(self, rows: Iterable[AttemptVersion]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[AttemptVersion]:
        for row in self._rows:
            self.count += 1
            yield row
