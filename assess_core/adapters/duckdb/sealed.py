"""A union that was sealed: the files of a ticket, checked byte by byte before they are read."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb

from assess_core.adapters.duckdb.connection import UNREADABLE, connect, sha256_of
from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.domain.slices import IsoWeek
from assess_core.domain.tickets import SealedFile, changed_files
from assess_core.errors import TicketBroken
from assess_core.ports.lake import LakeFile, is_kept
from assess_core.ports.scores import url_of


class _Sealed(NamedTuple):
    """The port `Pinned` for the files of a ticket."""

    version: int
    place: Location
    found: list[LakeFile]

    def files(self, weeks: Collection[IsoWeek] | None = None) -> list[LakeFile]:
        return [file for file in self.found if weeks is None or file.week in weeks]


@contextmanager
def open_sealed(
    place: Location, batches: Collection[str], lake_files: Sequence[SealedFile], hot_rows: Path | None
) -> Iterator[DuckUnion]:
    """See `ports.Unions.sealed`; `place` is that of the lake's `attempts`."""
    files = [LakeFile(url_of(file.name, place.url), _week(file.name), file.rows, file.bytes) for file in lake_files]
    size = sum(file.bytes for file in files) + (hot_rows.stat().st_size if hot_rows else 0)
    with connect(place, size=size) as duck:
        found = {sealed.name: _sha256(duck, place, file) for sealed, file in zip(lake_files, files, strict=True)}
        if problems := changed_files(lake_files, found):
            raise TicketBroken(
                f"the ticket's report cannot be printed again: in {place.url}, {'; '.join(problems)}; restore these "
                "files, or the lake, from a copy"
            )
        pinned = _Sealed(-1, place, files)
        kept = [file for file in files if is_kept(file, pinned)]
        union = DuckUnion(duck, pinned, [file for file in files if file not in kept], hot_rows, kept)
        union.define(batches)
        yield union


def _sha256(duck: duckdb.DuckDBPyConnection, place: Location, file: LakeFile) -> str | None:
    """The SHA-256 of a file; None if it is missing."""
    try:
        return sha256_of(duck, file)
    except UNREADABLE as error:
        if fault := place.fault(error):
            raise fault from error
        if place.is_missing(file.url, error):
            return None
        raise TicketBroken(f"the lake's file {file.url} cannot be read: {error}; restore it from a copy") from error


def _week(name: str) -> IsoWeek:
    """The week in the name of a file: `year=2024/week=5/...`."""
    year, week = (int(part.partition("=")[2]) for part in name.split("/")[-3:-1])
    return IsoWeek(year, week)
