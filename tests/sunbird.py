"""Rows of the reference data as versions, from CQL INSERT statements and from archive files of Spark."""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, latest_answers, question_text, with_totals
from assess_core.domain.moments import clock
from assess_core.domain.slices import IsoWeek

NOW: Final = 1_626_307_200_000
"""2021-07-15T00:00:00Z, the value of `toTimeStamp(toDate(now()))` in a statement."""

_INSERT: Final = re.compile(r"INSERT INTO \S*\bassessment_aggregator \(([^)]*)\) VALUES\s*\((.*)\)\s*;\s*\Z")
_FILE: Final = re.compile(r"(\d{4})-(\d{1,2})-\d+\.csv(?:\.gz)?\Z")
_TOKEN: Final = re.compile(r"\s*(?:'((?:[^']|'')*)'|([\w.+-]+(?:\([\w()]*\))?)|([\[\]{}:,]))")


def live_rows(cql: Path, now: int = NOW) -> list[AttemptVersion]:
    """The attempt rows that a CQL file inserts. A repeated key replaces the row."""
    rows = {}
    for line in cql.read_text(encoding="utf-8").splitlines():
        if found := _INSERT.match(line):
            columns = [column.strip() for column in found[1].split(",")]
            row = _version(dict(zip(columns, _Literals(found[2], now).all(), strict=True)), None)
            rows[row.key] = row
    return list(rows.values())


def archived_rows(path: Path) -> list[AttemptVersion]:
    """The attempt rows of an archive file, `...<year>-<week>-<ms>.csv` or `.csv.gz`."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    rows = csv.DictReader(io.StringIO(text, newline=""), quotechar='"', escapechar="\\", doublequote=False)
    named = _FILE.search(path.name)
    assert named, f"{path} does not name a week"
    in_week = IsoWeek(int(named[1]), int(named[2])).start
    return [_version({name: _cell(cell) for name, cell in row.items()}, in_week) for row in rows]


def _cell(text: str) -> str | None:
    return None if text in ("", "null") else text


def _version(row: Mapping[str, Any], in_week: int | None) -> AttemptVersion:
    """A missing clock becomes 0. A missing `updated_on` becomes the start of the file's week, or else the clock."""
    key = AttemptKey(*(row[name] for name in ("user_id", "course_id", "batch_id", "content_id", "attempt_id")))
    attempted_on = _moment(row.get("last_attempted_on")) or 0
    received_at = _moment(row.get("updated_on"))
    if received_at is None:
        received_at = attempted_on if in_week is None else in_week
    question = row.get("question") or []
    answers = latest_answers(
        _answer(answer) for answer in (json.loads(question) if isinstance(question, str) else question)
    )
    totals = (float(row["total_score"]), float(row["total_max_score"]), row["grand_total"])
    return with_totals(key, attempted_on, totals, question_text(answers), received_at)


def _moment(value: Any) -> int | None:
    return None if value is None else clock(value)


def _answer(row: Mapping[str, Any]) -> Answer:
    return Answer(
        id=row["id"],
        assess_ts=_moment(row.get("assess_ts")),
        max_score=float(row["max_score"]),
        score=float(row["score"]),
        type=row.get("type"),
        title=row.get("title"),
        resvalues=row.get("resvalues") or [],
        params=row.get("params") or [],
        description=row.get("description"),
        duration=float(row["duration"]),
    )


class _Literals:
    """The literals of a VALUES list: text, numbers, lists, maps and user-defined types."""

    def __init__(self, text: str, now: int) -> None:
        self._tokens = self._read(text)
        self._now = now
        self._next = next(self._tokens)

    @staticmethod
    def _read(text: str) -> Iterator[tuple[str | None, str | None, str | None]]:
        at = 0
        while found := _TOKEN.match(text, at):
            at = found.end()
            yield found[1], found[2], found[3]
        assert not text[at:].strip(), f"not a CQL literal: {text[at : at + 40]!r}"
        yield None, None, None

    def all(self) -> Sequence[Any]:
        values = [self._value()]
        while self._is(","):
            values.append(self._value())
        return values

    def _is(self, mark: str) -> bool:
        if self._next[2] != mark:
            return False
        self._next = next(self._tokens)
        return True

    def _value(self) -> Any:
        if self._is("["):
            return self._items("]", self._value)
        if self._is("{"):
            return dict(self._items("}", self._member))
        text, word, _ = self._next
        self._next = next(self._tokens)
        if text is not None:
            return text.replace("''", "'")
        if word == "toTimeStamp(toDate(now()))":
            return self._now
        return None if word is None or word == "null" else float(word)

    def _member(self) -> tuple[str, Any]:
        name = self._value() if self._next[0] is not None else self._word()
        assert self._is(":")
        return name, self._value()

    def _word(self) -> str:
        word = self._next[1]
        assert word is not None
        self._next = next(self._tokens)
        return word

    def _items(self, end: str, item: Any) -> list[Any]:
        found: list[Any] = []
        while not self._is(end):
            found.append(item())
            self._is(",")
        return found
