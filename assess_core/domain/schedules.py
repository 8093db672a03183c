"""Scheduled reports: a TOML file with an entry per schedule. A bad entry is a value with its line and a reason.

[[schedule]]
name = "monday_scores"
every = "monday"
at = "06:00"
report = "score"
batchPattern = "2024-*"
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.moments import DAY, MINUTE, moment
from assess_core.domain.periods import EXAMPLES, Period
from assess_core.domain.report_spec import ReportSpec, parse_report_spec
from assess_core.errors import BadReport

MOST_BYTES: Final = 1024**2
MOST_ENTRIES: Final = 1000
_HEADER: Final = re.compile(r"\s*\[\[\s*schedule\s*\]\]\s*(?:#.*)?")
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,60}")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_PART: Final = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*")
_PREFIX_CHARACTERS: Final = 200
_LINE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")
_OWN: Final = ("name", "every", "at", "prefix", "period")
_SHOWN: Final = 60
"""Characters of a wrong value in a reason."""


class Every(StrEnum):
    """The days of a schedule."""

    DAY = "day"
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    MONTH = "month"
    """The first day of a month."""


_WEEKDAYS: Final = [every for every in Every if every not in (Every.DAY, Every.MONTH)]


class Schedule(NamedTuple):
    """A report that is written regularly. Times are in UTC."""

    name: str
    every: Every
    minute: int
    """The minute of the day."""
    prefix: str
    """The folder of its files, below that of reports."""
    spec: ReportSpec
    line: int
    """The line of the entry in its file."""
    period: Period | None = None
    """The weeks of the report, relative to the day of the run."""

    def spec_at(self, now: int) -> ReportSpec:
        """The report of a run at a moment (epoch ms)."""
        return self.spec if self.period is None else msgspec.structs.replace(self.spec, weeks=self.period.at(now))

    @property
    def at(self) -> str:
        """The time of day: `06:00`."""
        return f"{self.minute // 60:02}:{self.minute % 60:02}"

    @property
    def cron(self) -> str:
        """The schedule as cron writes it."""
        month_day = "1" if self.every is Every.MONTH else "*"
        weekday = (_WEEKDAYS.index(self.every) + 1) % 7 if self.every in _WEEKDAYS else "*"
        return f"{self.minute % 60} {self.minute // 60} {month_day} * {weekday}"

    def is_due(self, now: int) -> bool:
        """Whether the day (UTC) of this moment is one of the schedule, and its time has come."""
        day = moment(now)
        if now % DAY < self.minute * MINUTE:
            return False
        if self.every is Every.MONTH:
            return day.day == 1
        return self.every is Every.DAY or _WEEKDAYS[day.weekday()] is self.every

    def folder(self, now: int) -> str:
        """The folder of the files of a day. Each day has its own, and a repeated run writes the same files."""
        return f"{self.prefix}/{self.name}/{moment(now):%Y-%m-%d}"


class BadEntry(NamedTuple):
    """An entry that cannot be used."""

    line: int
    reason: str


class Schedules(NamedTuple):
    """The content of a file."""

    file: str
    entries: tuple[Schedule, ...] = ()
    problems: tuple[BadEntry, ...] = ()

    def described(self) -> Iterator[str]:
        """Each problem as `FILE:LINE: reason`."""
        return (f"{self.file}:{problem.line}: {problem.reason}" for problem in self.problems)


def parse_schedules(content: bytes, file: str) -> Schedules:
    """The schedules of a file, and what is wrong in it. An entry with a problem does not affect the others."""
    if len(content) > MOST_BYTES:
        return Schedules(file, (), (BadEntry(1, f"the file has more than {MOST_BYTES:,} bytes; write fewer entries"),))
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Schedules(file, (), (BadEntry(line, "the file is not UTF-8; save it as UTF-8"),))
    starts = [number for number, line in enumerate(lines) if _HEADER.fullmatch(line)]
    first = starts[0] if starts else len(lines)
    problems = [
        BadEntry(number + 1, "this stands before the first entry; begin each entry with [[schedule]]")
        for number, line in enumerate(lines[:first])
        if line.strip() and not line.lstrip().startswith("#")
    ][:1]
    if len(starts) > MOST_ENTRIES:
        reason = f"the file has more than {MOST_ENTRIES:,} entries; write fewer"
        return Schedules(file, (), (BadEntry(starts[MOST_ENTRIES] + 1, reason),))
    found: dict[str, Schedule] = {}
    for start, end in pairwise([*starts, len(lines)]):
        parsed = _entry("".join(f"{line}\n" for line in lines[start + 1 : end]), start + 1)
        if isinstance(parsed, Schedule) and parsed.name in found:
            reason = f"name: line {found[parsed.name].line} has the name {parsed.name!r} too; use another one"
            parsed = BadEntry(parsed.line, reason)
        if isinstance(parsed, Schedule):
            found[parsed.name] = parsed
        else:
            problems.append(parsed)
    return Schedules(file, tuple(found.values()), tuple(problems))


def _entry(text: str, line: int) -> Schedule | BadEntry:
    try:
        entry = tomllib.loads(text)
    except ValueError as error:  # also a number with thousands of digits
        place = _LINE.search(str(error))
        offset = int(place[1]) if place and place[1] else 0
        reason = str(error)[: place.start()] if place else str(error)
        return BadEntry(line + offset, f'this is not TOML ({reason[:_SHOWN]}); write lines like report = "score"')
    except RecursionError:
        return BadEntry(line, 'this is nested too deeply; write lines like report = "score"')
    problems: list[str] = []
    name = _matching(entry, "name", _NAME, None, "use 1 to 60 letters, digits and _", problems)
    at = _matching(entry, "at", _TIME, "06:00", "write it like 06:00 (UTC)", problems)
    prefix = _prefix(entry, problems)
    every = _every(entry, problems)
    period = _period(entry, problems)
    spec = _spec({member: value for member, value in entry.items() if member not in _OWN}, problems)
    if problems or spec is None:
        return BadEntry(line, "; ".join(problems))
    hours, minutes = at.split(":")
    return Schedule(name, every, int(hours) * 60 + int(minutes), prefix, spec, line, period)


def _matching(
    entry: Mapping[str, object],
    member: str,
    pattern: re.Pattern[str],
    default: str | None,
    how: str,
    problems: list[str],
) -> str:
    value = entry.get(member, default)
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    wrong = "it is missing" if value is None else f"{_quoted(value)} is wrong"
    problems.append(f"{member}: {wrong}; {how}")
    return default or ""


def _prefix(entry: Mapping[str, object], problems: list[str]) -> str:
    value = entry.get("prefix", "scheduled")
    if isinstance(value, str) and len(value) <= _PREFIX_CHARACTERS and all(map(_PART.fullmatch, value.split("/"))):
        return value
    problems.append(
        f"prefix: {_quoted(value)} is wrong; write a folder below that of reports, like board/weekly, "
        "with letters, digits and . _ = -"
    )
    return ""


def _every(entry: Mapping[str, object], problems: list[str]) -> Every:
    value = entry.get("every")
    if isinstance(value, str) and value.lower() in list(Every):
        return Every(value.lower())
    problems.append(
        f"every: {'it is missing' if value is None else f'{_quoted(value)} is wrong'}; write one of {', '.join(Every)}"
    )
    return Every.DAY


def _period(entry: Mapping[str, object], problems: list[str]) -> Period | None:
    value = entry.get("period")
    if value is None:
        return None
    if "weeks" in entry:
        problems.append("period: leave it out if weeks is given")
    found = Period.parse(value) if isinstance(value, str) else None
    if found is None:
        problems.append(f"period: {_quoted(value)} is wrong; write {EXAMPLES}")
    return found


def _spec(config: Mapping[str, object], problems: list[str]) -> ReportSpec | None:
    try:
        return parse_report_spec(config)
    except BadReport as error:
        problems.extend(error.problems)
        return None


def _quoted(value: object) -> str:
    return repr(value[:_SHOWN]) if isinstance(value, str) else type(value).__name__
