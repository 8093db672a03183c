"""The lake's copy of the register: a JSON file for each record, which a person can read and which can be removed.

It is read only where the hot store may have lost its register, never for an answer.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.adapters.lake.tables import translated
from assess_core.domain.register import Kind, Record
from assess_core.errors import NotOurTable

_ENDING: Final = ".json"
_decode = msgspec.json.Decoder(Record).decode


class LakeRegister:
    """A `ports.RegisterCopy` at a location, with a folder for each kind."""

    def __init__(self, place: Location) -> None:
        self._place = place

    def add(self, records: Sequence[Record]) -> None:
        with translated(self._place):
            self._put([record for record in records if self._place.mark(_file(record)) is None])

    def of(self, kind: Kind, topics: Collection[str]) -> list[Record]:
        return [record for record in self.all(kind) if record.topic in topics]

    def all(self, kind: Kind) -> list[Record]:
        return self.named(kind, self.names(kind))

    def names(self, kind: Kind) -> set[str]:
        with translated(self._place):
            stored = self._place.within(kind).names()
        # others are files of another program
        return {name.removesuffix(_ENDING) for name in stored if name.endswith(_ENDING)}

    def named(self, kind: Kind, names: Collection[str]) -> list[Record]:
        with translated(self._place):
            return sorted(self._read(kind, names))

    def rewrite(self, records: Sequence[Record]) -> None:
        with translated(self._place):
            self._put([record for record in records if self._place.mark(_file(record)) is not None])

    def remove(self, records: Sequence[Record]) -> None:
        with translated(self._place):
            self._place.delete([_file(record) for record in records])

    def _put(self, records: Sequence[Record]) -> None:
        with temporary_folder("assess-register-") as folder:
            for record in records:
                source = Path(folder) / record.name
                source.write_bytes(msgspec.json.encode(record))
                self._place.put(_file(record), source)

    def _read(self, kind: Kind, names: Collection[str]) -> Iterator[Record]:
        folder = self._place.within(kind)
        for name in names:
            try:
                yield _decode(folder.read(f"{name}{_ENDING}"))
            except FileNotFoundError:  # removed since
                continue
            except msgspec.DecodeError as error:
                raise NotOurTable(
                    f"{folder.url}/{name}{_ENDING} is no record of the register: {error}; restore the file from a "
                    "backup"
                ) from error


def _file(record: Record) -> str:
    return f"{record.kind}/{record.name}{_ENDING}"
