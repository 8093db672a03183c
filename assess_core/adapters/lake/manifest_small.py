"""The entries of small files of the manifest, read once.

Each commit adds a small file, and up to 32 of them are there before a compaction. Every archive, verify and clear reads
them several times, and a file takes 1 ms.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.manifest_files import FIRST, LAST, ManifestFile
from assess_core.adapters.lake.manifest_rows import read_entries
from assess_core.domain.manifest import ManifestEntry
from assess_core.domain.slices import ArchiveSlice

_SMALL: Final = 100
"""The largest number of entries of a file that is kept: 32 such files take 5 MB."""


class _Held(NamedTuple):
    mark: object
    """The mark of the file. It changes if the file is damaged or restored from a backup."""
    entries: Sequence[ManifestEntry]


class Found(NamedTuple):
    """The entries of slices in small files, and the files that have to be read."""

    entries: list[ManifestEntry]
    others: list[ManifestFile]


class SmallFiles:
    """Any thread may call."""

    def __init__(self, place: Location) -> None:
        self._place = place
        self._held: dict[str, _Held] = {}

    def find(self, files: Sequence[ManifestFile], slices: Collection[ArchiveSlice] | None) -> Found:
        """The entries of these slices (None: of all). Raises `OSError` if a file cannot be read.

        Nothing is kept of a bucket, where a mark is a request, as costly as the file.
        """
        if self._place.options() is not None:
            return Found([], list(files))
        wanted = None if slices is None else set(slices)
        weeks = (min(wanted).week, max(wanted).week) if wanted else (FIRST, LAST)
        small = [file for file in files if file.entries <= _SMALL]
        held = {file.name: self._read(file) for file in small if file.overlaps(weeks)}
        # a new dictionary: another thread can be reading the old one
        names = {file.name for file in files}
        self._held = {name: one for name, one in (self._held | held).items() if name in names}
        entries = (entry for one in held.values() for entry in one.entries)
        return Found(
            [entry for entry in entries if wanted is None or entry.slice in wanted],
            [file for file in files if file.entries > _SMALL],
        )

    def _read(self, file: ManifestFile) -> _Held:
        mark, held = self._place.mark(file.name), self._held.get(file.name)
        if mark is not None and held is not None and held.mark == mark:
            return held
        return _Held(mark, read_entries(self._place, [file]))
