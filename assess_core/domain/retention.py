"""Retention: how long slices stay in the hot store and in the lake, as rules in a TOML file. Pure.

[[rule]]
batches = "2024-*"
hot = "90 days"
answers = "5 years"
drop = "10 years"

The first rule whose pattern matches a batch counts. All ages begin with the end of a slice's week.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.manifest import SliceRecord
from assess_core.domain.moments import DAY, LATEST, iso, millis, moment
from assess_core.domain.slice_status import SliceView
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadSettings

MOST_BYTES: Final = 1024**2
_MOST_RULES: Final = 1000
_PATTERN_BYTES: Final = 1024
_AGE: Final = re.compile(r"([1-9][0-9]{0,4}) (day|week|year)s?", re.ASCII)
_MOST_YEARS: Final = 1000
_DAYS: Final = {"day": 1, "week": 7}
_SHOWN: Final = 60
"""Characters of a wrong value in a message."""


class Deed(StrEnum):
    """What retention does to a slice."""

    CLEAR = "clear"
    """Delete its verified rows from the hot store. The lake keeps them."""
    KEEP_SCORES = "keep scores"
    """Delete its rows from the lake, and keep their scores there without answers."""
    DROP = "drop"
    """Delete its rows from the lake, and the scores that were kept. The maps keep the scores."""


class Age(NamedTuple):
    """A length of time, as people write it: `90 days`, `1 week`, `7 years`."""

    number: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Age | None":
        """None if the text is no age of at most 1,000 years."""
        found = _AGE.fullmatch(text)
        age = cls(int(found[1]), found[2]) if found else None
        return age if age and age.days <= _MOST_YEARS * 366 else None

    @property
    def days(self) -> int:
        """The age in days, to compare ages; a year has 366."""
        return self.number * _DAYS.get(self.unit, 366)

    def after(self, start: int) -> int:
        """The moment (epoch ms) at which this time has passed since `start`. A year ends at the same date.

        A year that begins on 29 February ends on 1 March. No moment is later than the end of 2099.
        """
        if self.unit in _DAYS:
            return min(start + self.days * DAY, LATEST)
        begin = moment(start)
        year = begin.year + self.number
        if year >= moment(LATEST).year:
            return LATEST
        return millis(_same_date(begin, year))

    def __str__(self) -> str:
        return f"{self.number} {self.unit}{'' if self.number == 1 else 's'}"


def _same_date(begin: datetime, year: int) -> datetime:
    try:
        return begin.replace(year=year)
    except ValueError:  # 29 February
        return begin.replace(year=year, month=3, day=1)


class Rule(NamedTuple):
    """How long the slices of some batches stay. None: for good, or with `hot`, only until they are verified."""

    number: int
    """Its position in the file, from 1."""
    batches: str
    """A pattern of batch ids, with `*` and `?`."""
    hot: Age | None = None
    """How long a verified slice stays in the hot store."""
    answers: Age | None = None
    """After which age the lake keeps only the scores of a slice."""
    drop: Age | None = None
    """After which age the lake drops a slice, with scores that were kept."""

    def matches(self, batch_id: str) -> bool:
        """Whether a batch matches the pattern. A bracket is a bracket: an id may have some, and a drop is final."""
        return fnmatchcase(batch_id, self.batches.replace("[", "[[]"))

    def __str__(self) -> str:
        return f"rule {self.number} ({self.batches})"


Rules = tuple[Rule, ...]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    batches: str = "*"
    hot: str | None = None
    answers: str | None = None
    drop: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: list[_Entry] = []


def parse_rules(content: bytes, file: str) -> Rules:
    """The rules of a file. Raises `BadSettings`, which names the file and the rule.

    One wrong rule makes the whole file invalid: without it, a later rule would count for its batches.
    """
    try:
        entries = _entries(content)
        return tuple(_rule(number, entry) for number, entry in enumerate(entries, 1))
    except BadSettings as error:
        raise BadSettings(f"ASSESS_RETENTION: {file}: {error}; nothing was cleared or dropped by rule") from None


def _entries(content: bytes) -> list[_Entry]:
    if len(content) > MOST_BYTES:
        raise BadSettings(f"the file has more than {MOST_BYTES:,} bytes; write fewer rules")
    try:
        read = msgspec.convert(tomllib.loads(content.decode("utf-8-sig")), _File)
    except UnicodeDecodeError:
        raise BadSettings("the file is not UTF-8; save it as UTF-8") from None
    except RecursionError:
        raise BadSettings('the file is nested too deeply; write lines like drop = "7 years"') from None
    except ValueError as error:  # TOML, or a member with another name or type
        raise BadSettings(f'{str(error)[:200]}; begin each rule with [[rule]] and write drop = "7 years"') from None
    if len(read.rule) > _MOST_RULES:
        raise BadSettings(f"the file has more than {_MOST_RULES:,} rules; write fewer")
    return read.rule


def _rule(number: int, entry: _Entry) -> Rule:
    if not 0 < len(entry.batches.encode()) <= _PATTERN_BYTES:
        raise BadSettings(f"rule {number}: batches: write a pattern of 1 to {_PATTERN_BYTES:,} bytes, like 2024-*")
    hot, answers, drop = (_age(number, name, getattr(entry, name)) for name in ("hot", "answers", "drop"))
    if hot and drop and drop.days <= hot.days:
        raise BadSettings(f"rule {number}: drop: {drop} must be longer than hot, {hot}: a slice is cleared first")
    if hot and answers and answers.days <= hot.days:
        raise BadSettings(f"rule {number}: answers: {answers} must be longer than hot, {hot}: a slice is cleared first")
    if answers and drop and drop.days <= answers.days:
        raise BadSettings(f"rule {number}: drop: {drop} must be longer than answers, {answers}: scores stay longer")
    return Rule(number, entry.batches, hot, answers, drop)


def _age(number: int, name: str, text: str | None) -> Age | None:
    age = None if text is None else Age.parse(text)
    if text is not None and age is None:
        raise BadSettings(
            f"rule {number}: {name}: {text[:_SHOWN]!r} is no age; write it like 90 days, 12 weeks or 7 years"
        )
    return age


def rule_of(rules: Rules, batch_id: str) -> Rule | None:
    """The first rule whose pattern matches; None if none does."""
    return next((rule for rule in rules if rule.matches(batch_id)), None)


class Candidate(NamedTuple):
    """A slice that retention may change."""

    view: SliceView
    record: SliceRecord
    in_lake: bool
    """Whether the files of `attempts` have rows of it. After a drop that was killed, they can have rows still."""
    has_kept: bool = False
    """Whether the files of `scores` have rows of it."""


class Planned(NamedTuple):
    """What retention does to a slice, or what stops it."""

    slice: ArchiveSlice
    deed: Deed
    rows: int
    """In the hot store (clear), or in the lake by the manifest."""
    due: int
    """Since when (epoch ms)."""
    rule: Rule | None
    """None: without a rule, a slice is cleared as soon as it is verified."""
    stopped: str | None
    """Why it is not done, as a sentence."""
    is_late: bool = False
    """Whether rows may have arrived after the archive. Then only the lake's files show which rows a clear deletes."""


def due_to_clear(slice_: ArchiveSlice, rules: Rules) -> int:
    """The moment (epoch ms) at which a verified slice leaves the hot store."""
    rule = rule_of(rules, slice_.batch_id)
    return slice_.week.end if rule is None or rule.hot is None else rule.hot.after(slice_.week.end)


def due_to_drop(slice_: ArchiveSlice, rules: Rules) -> int | None:
    """The moment (epoch ms) at which a slice leaves the lake; None: never."""
    rule = rule_of(rules, slice_.batch_id)
    return None if rule is None or rule.drop is None else rule.drop.after(slice_.week.end)


def due_to_keep_scores(slice_: ArchiveSlice, rules: Rules) -> int | None:
    """The moment (epoch ms) from which the lake keeps only the scores of a slice; None: never."""
    rule = rule_of(rules, slice_.batch_id)
    return None if rule is None or rule.answers is None else rule.answers.after(slice_.week.end)


def is_any_due(week: IsoWeek, rules: Rules, now: int) -> bool:
    """Whether a rule can drop a slice of this week, or its answers, whatever its batch."""
    ages = (age for rule in rules for age in (rule.answers, rule.drop) if age)
    return any(age.after(week.end) <= now for age in ages)


def why_not_clear(slice_: ArchiveSlice, rules: Rules, held: Mapping[ArchiveSlice, str], now: int) -> str | None:
    """Why no rule may clear a slice now, as a sentence; None if it may. `held`: the slices that holds protect."""
    if slice_ in held:
        return held[slice_]
    due, rule = due_to_clear(slice_, rules), rule_of(rules, slice_.batch_id)
    return f"it stays in the hot store until {iso(due)} ({rule or 'the end of its week'})" if due > now else None


def plan(
    candidates: Iterable[Candidate],
    rules: Rules,
    held: Callable[[list[ArchiveSlice]], Mapping[ArchiveSlice, str]],
    now: int,
) -> list[Planned]:
    """What is due now, sorted by slice. A slice that is due to be cleared and dropped has both, in this order.

    `held` returns which of the due slices holds protect, and why.
    """
    due = [planned for candidate in candidates for planned in _due(candidate, rules, now)]
    stops = held(sorted({planned.slice for planned in due}))
    return sorted(
        (planned._replace(stopped=stops.get(planned.slice, planned.stopped)) for planned in due),
        key=lambda planned: (planned.slice, planned.deed is not Deed.CLEAR),
    )


def _due(candidate: Candidate, rules: Rules, now: int) -> Iterable[Planned]:
    view, rule = candidate.view, rule_of(rules, candidate.view.slice.batch_id)
    clear = due_to_clear(view.slice, rules)
    clears = view.needs_clear and clear <= now
    if clears:
        yield Planned(view.slice, Deed.CLEAR, view.hot_rows, clear, rule, None, view.note is not None)
    # a run clears first, so that it can drop the slice too, unless rows of it stay
    why = why_not_drop(candidate, is_cleared_first=clears and view.note is None)
    drop, keep = due_to_drop(view.slice, rules), due_to_keep_scores(view.slice, rules)
    if drop is not None and drop <= now:
        if candidate.in_lake or candidate.has_kept:
            yield Planned(view.slice, Deed.DROP, _rows(candidate), drop, rule, why)
    elif keep is not None and keep <= now and candidate.in_lake:
        yield Planned(view.slice, Deed.KEEP_SCORES, _rows(candidate), keep, rule, why)


def _rows(candidate: Candidate) -> int:
    entry = candidate.record.archived if candidate.in_lake else candidate.record.kept
    return entry.contents.rows if entry else 0


def why_not_drop(candidate: Candidate, *, is_cleared_first: bool) -> str | None:
    """Why the lake must keep a slice, whatever its age, as a sentence; None if it may be dropped."""
    view, record = candidate.view, candidate.record
    if view.why_open:
        return f"it is open: {view.why_open}"
    if record.archived is None:
        return "the manifest does not have it; archive and verify it first"
    if not record.is_verified:
        return view.note or "its last archive is not verified; verify it first"
    if (view.hot_rows or record.is_clearing) and not is_cleared_first:
        # a note says that a clear alone does not help: rows came that the lake may lack
        return view.note or f"the hot store still has {view.hot_rows:,} of its rows; clear it first"
    return None
