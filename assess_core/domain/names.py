"""Names of courses, batches, assessments and learners, as reports show them, and what a report read of them."""

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from assess_core.errors import BadNames

WITHOUT_NAMES: Final = "or ask for the report with names: none"
"""The end of every message about a source that cannot be read: what to do if the report cannot wait."""
_SHOWN: Final = 60
"""Characters of an id in a message."""
CHARACTERS: Final = 2000
"""The characters that a name may have; a longer text is no name."""


class NameKind(StrEnum):
    """What an id names."""

    COURSE = "course"
    BATCH = "batch"
    ASSESSMENT = "assessment"
    LEARNER = "learner"


PLURALS: Final[Mapping[NameKind, str]] = {
    NameKind.COURSE: "courses",
    NameKind.BATCH: "batches",
    NameKind.ASSESSMENT: "assessments",
    NameKind.LEARNER: "learners",
}


class Named(NamedTuple):
    """The name of an id. An empty text is unknown."""

    name: str = ""
    organisation: str = ""
    """The organisation of a learner."""


def limited(text: str) -> str:
    """The text, or an empty one if it is too long for a name."""
    return text if len(text) <= CHARACTERS else ""


class NamesRead(msgspec.Struct, frozen=True, kw_only=True):
    """The names that a report read, for its sidecar."""

    source: str
    """The file or URL, without secrets."""
    source_sha256: str | None
    """The SHA-256 of the file; None if the source is not a file."""
    sha256: str
    """The SHA-256 of the names that were found. Two reports with the same digest show the same names."""
    asked: dict[str, int]
    """Kind -> the ids of the report."""
    found: dict[str, int]
    """Kind -> the ids with a name or an organisation."""


class NamesDigest:
    """Counts and digests names, which must come by kind, sorted by id."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.asked: dict[str, int] = {}
        self.found: dict[str, int] = {}

    def add(self, kind: NameKind, asked: int, named: Iterable[tuple[str, Named]]) -> None:
        """Add the names of some ids of a kind."""
        found = 0
        for id_, one in named:
            self._digest.update(msgspec.json.encode((kind, id_, *one)) + b"\n")
            found += 1
        self.asked[kind] = self.asked.get(kind, 0) + asked
        self.found[kind] = self.found.get(kind, 0) + found

    def read(self, source: str, source_sha256: str | None) -> NamesRead:
        """What was read."""
        return NamesRead(
            source=source,
            source_sha256=source_sha256,
            sha256=self._digest.hexdigest(),
            asked=self.asked,
            found=self.found,
        )


def add_name(names: dict[str, Named], id_: str, named: Named, kind: NameKind, source: str) -> None:
    """Add a name. Raises `BadNames` if the id has another one already: one of them is wrong."""
    if names.setdefault(id_, named) != named:
        raise BadNames(f"{source} has two different names for {kind} {shown_id(id_)}; correct it, {WITHOUT_NAMES}")


def unnamed(read: NamesRead | None) -> list[str]:
    """For each kind with ids that have no name, a sentence."""
    if read is None:
        return []
    return [
        f"{asked - read.found[kind]:,} of {asked:,} {PLURALS[NameKind(kind)]} have no name in {read.source}"
        for kind, asked in read.asked.items()
        if asked > read.found[kind]
    ]


def shown_id(id_: str) -> str:
    """An id in a message."""
    return repr(id_ if len(id_) <= _SHOWN else f"{id_[:_SHOWN]}…")
