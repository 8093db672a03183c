"""Decoders for Cassandra's encoded maps.

They take 2 us for an entry of `attempts`. The driver's map takes 30 us, because it serialises the key at each access.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final

from assess_core.adapters.cassandra.driver import BytesType, MapType, ProtocolHandler, ResultMessage
from assess_core.domain.attempts import HASH_BYTES, Version
from assess_core.domain.scores import Activity, ActivityKey, Entry, Summary, SummaryKey
from assess_core.ports.hot_store import Learner

Row = Sequence[Any]

_LENGTH: Final = struct.Struct(">i")
_LENGTHS: Final = struct.Struct(">ii")
# after the attempt id: assessmentTs and hash, each with its length; then the lengths and parts of the value
_ENTRY: Final = struct.Struct(f">4xq4x{HASH_BYTES}s4x4xd4xd4x?4xq")
_DOUBLE: Final = struct.Struct(">d")
_TIME: Final = struct.Struct(">q")


_Result: Final = ProtocolHandler.message_types_by_opcode[ResultMessage.opcode]


class _ResultWithRawMaps(_Result):  # type: ignore[misc, valid-type]  # the driver has no type annotations
    column_metadata: list[tuple[Any, ...]] | None

    def recv_results_metadata(self, *arguments: Any) -> None:
        super().recv_results_metadata(*arguments)
        columns = self.column_metadata
        self.column_metadata = columns and [
            (*column[:-1], BytesType if issubclass(column[-1], MapType) else column[-1]) for column in columns
        ]


class RawMaps(ProtocolHandler):  # type: ignore[misc]  # the driver has no type annotations
    """Makes a session return map columns as bytes."""

    message_types_by_opcode: ClassVar = {
        **ProtocolHandler.message_types_by_opcode,
        ResultMessage.opcode: _ResultWithRawMaps,
    }


def entries(key: SummaryKey, raw: bytes) -> Iterator[Entry]:
    """The entries of a map `attempts`."""
    (count,) = _LENGTH.unpack_from(raw)
    at = _LENGTH.size
    for _ in range(count):
        _, size = _LENGTHS.unpack_from(raw, at)
        begins = at + _LENGTHS.size
        at = begins + size
        attempted_on, hash_, score, max_score, has_answers, received_at = _ENTRY.unpack_from(raw, at)
        attempt_id = raw[begins:at].decode()
        at += _ENTRY.size
        yield Entry(key, attempt_id, Version(attempted_on, has_answers, hash_), score, max_score, received_at)


def read_entries(rows: Iterable[Row]) -> dict[str, list[Entry]]:
    """The entries by learner in rows of the four columns of the key and `attempts`."""
    found: dict[str, list[Entry]] = {}
    for row in rows:
        key = SummaryKey(*row[:4])
        found.setdefault(key.user_id, []).extend(entries(key, row[4]))
    return found


def read_learner(row: Row, found: dict[str, Learner]) -> None:
    """Add a row with the columns of its key, `attempts`, and those of `Summary`."""
    key = SummaryKey(*row[:4])
    learner = found.setdefault(key.user_id, Learner([], {}))
    learner.entries.extend(entries(key, row[4]))
    if row[12] is not None:
        learner.summaries[key] = Summary(key, *row[5:])


def doubles(raw: bytes) -> dict[str, float]:
    """A map<text, double>."""
    return dict(_by_name(raw, _DOUBLE))


def times(raw: bytes) -> dict[str, int]:
    """A map<text, timestamp>, in epoch ms."""
    return dict(_by_name(raw, _TIME))


def texts(raw: bytes) -> dict[str, str]:
    """A map<text, text>."""
    words: list[str] = []
    at = _LENGTH.size
    while at < len(raw):
        (size,) = _LENGTH.unpack_from(raw, at)
        begins = at + _LENGTH.size
        at = begins + size
        words.append(raw[begins:at].decode())
    return dict(zip(words[::2], words[1::2], strict=True))


def _by_name(raw: bytes, value: struct.Struct) -> Iterator[tuple[str, Any]]:
    (count,) = _LENGTH.unpack_from(raw)
    at = _LENGTH.size
    for _ in range(count):
        (size,) = _LENGTH.unpack_from(raw, at)
        begins = at + _LENGTH.size
        at = begins + size + _LENGTH.size
        yield raw[begins : begins + size].decode(), value.unpack_from(raw, at)[0]
        at += value.size


def activity(row: Sequence[Any]) -> Activity:
    """The activity in a row: course, learner, context, its three columns, and `versions`."""
    course_id, user_id, context_id, aggregates, details, updated, versions = row
    key = ActivityKey(user_id, course_id, context_id.removeprefix("cb:"))
    return Activity(key, doubles(aggregates), list(details), times(updated), versions)
