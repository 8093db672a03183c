"""Grants from a file: CSV with the columns mentor, kind and id, or JSON with the batches and courses of each mentor."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from assess_core.adapters.files.changes import ChangingFile
from assess_core.domain.access import NOTHING, Granted
from assess_core.domain.counts import counted
from assess_core.domain.json_text import without_mark
from assess_core.errors import BadGrants
from assess_core.ports.findings import Finding, Level
from assess_core.ports.grants import MOST

COLUMNS: Final = ("mentor", "kind", "id")
KINDS: Final = ("batch", "course")
_MOST_BYTES: Final = 64 * 1024**2
_EXAMPLE: Final = "write the columns mentor,kind,id with the kinds batch and course"
_JSON_EXAMPLE: Final = 'write {"MENTOR": {"batches": ["BATCH"], "courses": ["COURSE"]}}'
_Table = Mapping[str, Granted]


class _Lists(msgspec.Struct, forbid_unknown_fields=True):
    batches: frozenset[str] = frozenset()
    courses: frozenset[str] = frozenset()


class _Wrong(Exception):
    """A file has another shape. The message is the end of a sentence that begins with the name of the file."""


class FileGrants:
    """The grants of a file. It is read again when it changes; a file that cannot be read grants nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = ChangingFile(path, _MOST_BYTES, self._parsed, self._unreadable)

    def of(self, mentor: str) -> Granted:
        """See `Grants.of`."""
        found = self._file.content().get(mentor, NOTHING)
        if found.size > MOST:
            raise self._bad(
                f"grants one mentor {counted(found.size, 'batch or course', 'batches and courses')}",
                f"grant at most {MOST:,}",
            )
        return found

    def examine(self) -> Iterator[Finding]:
        """See `Grants.examine`."""
        table = self._file.content()
        if table:
            yield Finding(Level.OK, "grants", f"{self._path}: {counted(len(table), 'mentor')}")
        else:
            action = f"{_EXAMPLE}, or leave ASSESS_GRANTS out"
            yield Finding(Level.WARN, "grants", f"{self._path} grants nothing", action)

    def _parsed(self, content: bytes) -> _Table:
        if len(content) > _MOST_BYTES:
            raise self._bad(f"has more than {_MOST_BYTES // 1024**2} MiB", "use a table in a database")
        ending = self._path.suffix.lower()
        example = _JSON_EXAMPLE if ending == ".json" else _EXAMPLE
        try:
            if ending == ".json":
                return _of_json(content)
            if ending == ".csv":
                return _of_csv(content)
        except _Wrong as error:
            raise self._bad(str(error), example) from error
        except (csv.Error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise self._bad(f"is not readable {ending[1:]} ({reason})", example) from error
        raise self._bad("has another ending", "use .csv or .json")

    def _unreadable(self, error: OSError) -> BadGrants:
        return self._bad(f"cannot be read: {error.strerror}", "check the path in ASSESS_GRANTS")

    def _bad(self, why: str, action: str) -> BadGrants:
        return BadGrants(f"ASSESS_GRANTS: the file {str(self._path)!r} {why}; {action}")


def _of_json(content: bytes) -> _Table:
    found = msgspec.json.decode(without_mark(content), type=dict[str, _Lists])
    if any("" in {mentor, *lists.batches, *lists.courses} for mentor, lists in found.items()):
        raise _Wrong("has an empty id")
    return {mentor: Granted(lists.batches, lists.courses) for mentor, lists in found.items()}


def _of_csv(content: bytes) -> _Table:
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    header = next(rows, [])
    if missing := [name for name in COLUMNS if name not in header]:
        raise _Wrong(f"has no column {' and no column '.join(missing)}")
    places = [header.index(name) for name in COLUMNS]
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        mentor, kind, id_ = (row[place] if place < len(row) else "" for place in places)
        if kind not in KINDS:
            raise _Wrong(f"has the kind {kind[:60]!r} in row {number:,}, which is neither batch nor course")
        if not mentor or not id_:
            raise _Wrong(f"has an empty id in row {number:,}")
        ids[mentor, kind].add(id_)
    mentors = {mentor for mentor, _ in ids}
    return {mentor: Granted(*(frozenset(ids.get((mentor, kind), ())) for kind in KINDS)) for mentor in mentors}
