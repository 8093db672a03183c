"""A row of Sunbird's archive files: cells -> a version of an attempt.

A row becomes the version that the stream makes of the same submission, so an attempt that came both ways is one. If
the totals of an older job differ from those of the answers, they are kept as they are.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from assess_core.domain import moments
from assess_core.domain.attempts import (
    Answer,
    AttemptKey,
    AttemptVersion,
    Totals,
    grand_total,
    latest_answers,
    make_version,
    question_text,
    total,
    with_totals,
)
from assess_core.domain.events import bounded_id, clock_of, number, question_id
from assess_core.domain.json_text import REPLACEMENT, is_too_deep, replace_half_surrogates
from assess_core.domain.reasons import BadEvent
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.domain.spark_csv import Record, records
from assess_core.domain.wire import Clock, Maps, Number, maps_of_text, optional_text

COLUMNS: Final = (
    *("course_id", "batch_id", "user_id", "content_id", "attempt_id", "created_on", "grand_total"),
    *("last_attempted_on", "total_max_score", "total_score", "updated_on", "question"),
)
"""The columns in Sunbird's order. A file may have them in another order, and others too."""
_OPTIONAL: Final = {"created_on", "grand_total"}
_KEY: Final = ("user_id", "course_id", "batch_id", "content_id", "attempt_id")
_CLOSE: Final = 1e-9  # Sunbird added the scores in the order of a hash table
_NO_CLOCK: Final = 0


class Refusal(NamedTuple):
    """A row or a file that is not imported."""

    file: str
    line: int | None
    """None: the whole file."""
    reason: str


class ArchivedRow(NamedTuple):
    """A row of a file."""

    line: int
    version: AttemptVersion


class _Refused(Exception):
    """A row cannot be imported; the message says why."""


def read_rows(
    chunks: Iterable[bytes], file: str, week: IsoWeek | None, closed_before: int
) -> Iterator[ArchivedRow | Refusal]:
    """The rows of a file, each as a version or with the reason why it is refused.

    `week` is the week in the file's name. Rows with a receipt at `closed_before` (epoch ms) or later are refused.
    """
    source = records(chunks)
    header = next(source, None)
    if header is None:
        yield Refusal(file, None, "the file is empty, although an archive has at least a header; copy it again")
        return
    columns = _columns(header)
    if isinstance(columns, str):
        yield Refusal(file, None, columns)
        return
    for record in source:
        if record.cells == header.cells:
            continue  # Hadoop joins parts, each of which has a header
        try:
            yield ArchivedRow(record.line, _version(record, columns, week, closed_before))
        except (_Refused, BadEvent) as error:
            yield Refusal(file, record.line, str(error))


class _Columns(NamedTuple):
    """The places of the columns in a file."""

    width: int
    """The number of columns in the file."""
    places: Mapping[str, int]


def _columns(header: Record) -> _Columns | str:
    """The columns that a header names, or why it is not a header of an archive."""
    names = [name.decode("utf-8", "replace").strip() for name in header.cells or ()]
    if names:
        names[0] = names[0].removeprefix("\ufeff")
    missing = [name for name in COLUMNS if name not in names and name not in _OPTIONAL]
    if missing:
        return f"it is not an archive of assessments: its first line lacks the columns {', '.join(missing)}"
    twice = sorted({name for name in COLUMNS if names.count(name) > 1})
    if twice:
        return f"its first line has the columns {', '.join(twice)} more than once"
    return _Columns(len(names), {name: names.index(name) for name in COLUMNS if name in names})


def _version(record: Record, columns: _Columns, week: IsoWeek | None, closed_before: int) -> AttemptVersion:
    cells = _row(record, columns)
    key = AttemptKey(*(_id(cells, name) for name in _KEY))
    attempted_on = _time(cells, "last_attempted_on") or _NO_CLOCK
    answers = _answers(cells.get("question") or "[]")
    received_at = _receipt(cells, attempted_on, answers, week)
    if received_at >= closed_before:
        closes = ArchiveSlice.of(key.batch_id, received_at).week
        raise _Refused(f"its week {closes} is not over yet (its end and ASSESS_GRACE); import it after that")
    totals = _totals(cells, answers)
    if totals is None:
        version = make_version(key, attempted_on, answers, received_at)
    else:
        version = with_totals(key, attempted_on, totals, question_text(answers), received_at)
    if not (math.isfinite(version.total_score) and math.isfinite(version.total_max_score)):
        raise _Refused("the total of its scores is outside floating point")
    return version


def _row(record: Record, columns: _Columns) -> dict[str, str | None]:
    """The cells of a record by column; None for null, which Sunbird wrote as nothing, `""` or the text `null`."""
    if record.cells is None:
        raise _Refused(f"{record.problem}{_cut(record)}")
    if len(record.cells) != columns.width:
        raise _Refused(f"it has {len(record.cells)} columns instead of {columns.width}{_cut(record)}")
    if not record.ended and not (columns.places["question"] == columns.width - 1 and record.cells[-1]):
        # only the list of answers shows that it is whole
        raise _Refused(f"its last column may be incomplete{_cut(record)}")
    try:
        texts = {name: record.cells[place].decode() for name, place in columns.places.items()}
    except UnicodeDecodeError:
        raise _Refused("it is not UTF-8") from None
    return {name: None if text in ("", "null") else text for name, text in texts.items()}


def _cut(record: Record) -> str:
    return "" if record.ended else "; the file ends within this line, so it was cut: copy it again"


def _id(cells: Mapping[str, str | None], name: str) -> str:
    value = cells[name] or ""
    if not value and name != "attempt_id":
        raise _Refused(f"`{name}` is missing")
    return bounded_id(value, name)


def _time(cells: Mapping[str, str | None], name: str) -> int | None:
    text = cells.get(name)
    return None if text is None else clock_of(text, name, moments.EARLIEST)


def _receipt(
    cells: Mapping[str, str | None], attempted_on: int, answers: Sequence[Answer], week: IsoWeek | None
) -> int:
    """`updated_on`; if it is missing, the beginning of the week that the file's name has; else the newest clock."""
    received_at = _time(cells, "updated_on")
    if received_at is not None:
        return received_at
    if week is not None:
        return clock_of(week.start, "the week in the file's name", moments.EARLIEST)
    newest = max([attempted_on, *(answer.assess_ts or 0 for answer in answers)])
    if newest < moments.EARLIEST:
        raise _Refused("it has no time: `updated_on` is missing, and the file's name has no week")
    return newest


def _totals(cells: Mapping[str, str | None], answers: Sequence[Answer]) -> Totals | None:
    """The totals of the row; None if they are those of the answers."""
    scores = total([answer.score for answer in answers]), total([answer.max_score for answer in answers])
    score, max_score = (
        found if cells[name] is None else number(cells[name], name)
        for name, found in zip(("total_score", "total_max_score"), scores, strict=True)
    )
    text = cells.get("grand_total") or grand_total(score, max_score)
    if _close(score, scores[0]) and _close(max_score, scores[1]) and text == grand_total(*scores):
        return None
    return score, max_score, bounded_id(text, "grand_total")


def _close(given: float, computed: float) -> bool:
    return math.isclose(given, computed, rel_tol=_CLOSE, abs_tol=_CLOSE)


# --- answers ---


class _Stored(msgspec.Struct, gc=False):
    """An answer in the column `question`, in the usual shape."""

    id: str
    assess_ts: Clock | None = None
    max_score: Number = None
    score: Number = None
    type: str | None = None
    title: str | None = None
    resvalues: Maps = []
    params: Maps = []
    description: str | None = None
    duration: Number = None


class _Loose(msgspec.Struct, gc=False):
    """An answer with values of other types."""

    id: str | int | float | None = None
    assess_ts: Clock | None = None
    max_score: Number = None
    score: Number = None
    type: msgspec.Raw = msgspec.Raw(b"null")
    title: msgspec.Raw = msgspec.Raw(b"null")
    resvalues: msgspec.Raw = msgspec.Raw(b"null")
    params: msgspec.Raw = msgspec.Raw(b"null")
    description: msgspec.Raw = msgspec.Raw(b"null")
    duration: Number = None


_decode_stored = msgspec.json.Decoder(list[_Stored]).decode
_decode_loose = msgspec.json.Decoder(list[_Loose]).decode


def _answers(text: str) -> list[Answer]:
    if text == "[]":
        return []
    raw = text.encode()
    if is_too_deep(raw):
        raise _Refused("`question` is nested too deeply")
    try:
        return latest_answers(_decoded(raw))
    except msgspec.DecodeError as error:
        raise _Refused(f"`question` is not a list of answers in JSON: {error}") from None


def _decoded(raw: bytes) -> list[Answer]:
    try:
        return [_answer(stored) for stored in _decode_stored(raw)]
    except msgspec.ValidationError:
        return [_answer(_usual(loose)) for loose in _decode_loose(raw)]
    except msgspec.DecodeError:
        whole = replace_half_surrogates(raw)
        if whole == raw:
            raise
        answers = _decoded(whole)
        if any(REPLACEMENT in answer.id for answer in answers):
            raise _Refused("the id of a question contains half of a surrogate pair") from None
        return answers


def _usual(loose: _Loose) -> _Stored:
    return _Stored(
        question_id(loose.id),
        loose.assess_ts,
        loose.max_score,
        loose.score,
        optional_text(loose.type),
        optional_text(loose.title),
        maps_of_text(loose.resvalues),
        maps_of_text(loose.params),
        optional_text(loose.description),
        loose.duration,
    )


def _answer(stored: _Stored) -> Answer:
    return Answer(
        question_id(stored.id),
        None if stored.assess_ts is None else clock_of(stored.assess_ts, "assess_ts", 0),
        number(stored.max_score, "max_score"),
        number(stored.score, "score"),
        stored.type,
        stored.title,
        stored.resvalues,
        stored.params,
        stored.description,
        number(stored.duration, "duration"),
    )
