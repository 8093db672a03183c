"""What a report contains, as one value: the command line, Dagster and requests are parsed into it once.

The names of the configuration are those of Sunbird's `datasetConfig` (`batchId`, `batchFilter`), and others like them.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, TypeVar

import msgspec

from assess_core.domain.moments import parse_moment
from assess_core.domain.report_formats import CSV_FORMATS, ROW_FORMATS, Dialect, Format, ImageFormat
from assess_core.domain.slices import IsoWeek
from assess_core.errors import AssessError, BadReport


class Report(StrEnum):
    """The kinds of reports."""

    RESPONSE = "response"
    """A row per answer."""
    SCORE = "score"
    """A row per attempt."""
    SUMMARY = "summary"
    """A row per learner and assessment."""
    PROGRESS = "progress"
    """A row per learner, with a column for the score of each assessment."""
    ITEM_ANALYSIS = "item-analysis"
    """A row per question."""
    OPTION_ANALYSIS = "option-analysis"
    """A row per option of a question."""
    ASSESSMENT_ANALYSIS = "assessment-analysis"
    """A row per assessment: mean, deviation, reliability."""
    OVERVIEW = "overview"
    """A page with pictures: activity by week, and scores and questions of each assessment."""


class Versions(StrEnum):
    """Which versions of an attempt are reported."""

    NEWEST = "newest"
    ALL = "all"


class Counted(StrEnum):
    """The attempt of a learner at an assessment that the analyses count."""

    FIRST = "first"
    BEST = "best"


class Naming(StrEnum):
    """The names that a report shows beside its ids."""

    NONE = "none"
    TITLES = "titles"
    """The titles of courses, batches and assessments."""
    LEARNERS = "learners"
    """Those, and the names and organisations of learners, which are personal data."""


ANALYSES: Final = (Report.ITEM_ANALYSIS, Report.OPTION_ANALYSIS, Report.ASSESSMENT_ANALYSIS)
"""Reports with figures of all learners together."""
TABLES: Final = tuple(report for report in Report if report is not Report.OVERVIEW)
"""Reports with rows."""
_WITHOUT_ANSWERS: Final = frozenset({Report.SCORE, Report.SUMMARY, Report.PROGRESS})
"""Reports that need scores and no answers."""
_OF_VERSIONS: Final = frozenset({Report.RESPONSE, Report.SCORE})
"""Reports with rows of single attempts."""


class ReportSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the content of a report. Two equal values give the same bytes from the same stores.

    The filters apply to the newest version of each attempt, or with `Versions.ALL` to each version. An empty tuple or
    None does not filter.
    """

    report: Report
    format: Format = Format.CSV
    batches: tuple[str, ...] = ()
    """Sorted, without repetition; empty if `batch_pattern` is given."""
    batch_pattern: str | None = None
    """Batches whose id matches, as a shell matches file names: `2024-*`."""
    course: str | None = None
    weeks: tuple[IsoWeek, ...] = ()
    """The weeks of the receipt, sorted."""
    attempted_from: int | None = None
    """The first moment of an attempt (epoch ms)."""
    attempted_to: int | None = None
    """The first moment after the attempts (epoch ms)."""
    assessments: tuple[str, ...] = ()
    learner: str | None = None
    versions: Versions = Versions.NEWEST
    columns: tuple[str, ...] = ()
    """The columns to write, in this order; empty: all columns in the declared order."""
    spreadsheet: bool = False
    """Write a CSV that a spreadsheet program opens without damage (docs/formats.md)."""
    sunbird: bool = False
    """Write a CSV like those of Sunbird's response exhaust (docs/formats.md)."""
    since: int | None = None
    """Only attempts with a version that was received at or after this moment (epoch ms)."""
    counted: Counted = Counted.FIRST
    """For the analyses."""
    by_week: bool = False
    """For the analyses: a separate analysis for each ISO week of receipt."""
    names: Naming | None = None
    """None: titles in the columns that the report has anyway, if there is a source of names."""
    originals: bool = False
    """Beside each score and maximum, also those that were submitted: for the reports response and score."""
    pictures: tuple[ImageFormat, ...] = ()
    """The formats of the pictures beside the report, sorted; empty: no pictures. They change no byte of the report."""

    def matches(self, batch_id: str) -> bool:
        """Whether the spec selects a batch."""
        if self.batch_pattern is None:
            return batch_id in self.batches
        return fnmatchcase(batch_id, self.batch_pattern)

    @property
    def dialect(self) -> Dialect:
        """How the cells of a CSV file are written."""
        if self.sunbird:
            return Dialect.SUNBIRD
        return Dialect.SPREADSHEET if self.spreadsheet else Dialect.EXACT

    @property
    def reads_scores(self) -> bool:
        """Whether the report has attempts of which the lake keeps only the scores."""
        return self.report in _WITHOUT_ANSWERS

    @property
    def is_filtered(self) -> bool:
        """Whether something other than report, format, batches and course differs from the default."""
        return msgspec.structs.replace(self, batches=(), batch_pattern=None, course=None) != ReportSpec(
            report=self.report,
            format=self.format,
            spreadsheet=self.spreadsheet,
            sunbird=self.sunbird,
            pictures=self.pictures,
        )

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that identify the content of the report, for names of files."""
        members = msgspec.to_builtins(self)
        del members["pictures"]
        if not self.originals:  # reports that were written before this member existed keep their names
            del members["originals"]
        return hashlib.sha256(msgspec.json.encode(members, order="deterministic")).hexdigest()[:16]


MOST_BATCHES: Final = 1000
_MOST_ITEMS: Final = 1000
_ID_BYTES: Final = 1024
_COLUMN_BYTES: Final = _ID_BYTES + 100
_PATTERN_BYTES: Final = 200
_SHOWN: Final = 60
"""Characters of a wrong value that a problem quotes."""

_Value = TypeVar("_Value")
_Enum = TypeVar("_Enum", bound=StrEnum)


def parse_report_spec(config: Mapping[str, object]) -> ReportSpec:
    """The report that a configuration asks for. Null, an empty text and an empty list do not filter.

    Raises `BadReport` with every problem as a sentence.
    """
    asked = _Asked(config)
    report = asked.one_of("report", Report, None)
    spec = ReportSpec(
        report=report or Report.RESPONSE,
        format=asked.one_of("format", Format, None) or default_format(report),
        batches=tuple(sorted({*asked.ids("batchId", 1), *asked.ids("batchFilter", MOST_BATCHES)})),
        batch_pattern=asked.text("batchPattern", _PATTERN_BYTES),
        course=asked.text("courseId", _ID_BYTES),
        weeks=tuple(sorted(set(asked.each("weeks", _MOST_ITEMS, IsoWeek.parse)))),
        attempted_from=asked.moment("attemptedFrom"),
        attempted_to=asked.moment("attemptedTo"),
        assessments=tuple(sorted(set(asked.ids("assessments", _MOST_ITEMS)))),
        learner=asked.text("userId", _ID_BYTES),
        versions=asked.one_of("versions", Versions, Versions.NEWEST) or Versions.NEWEST,
        columns=tuple(asked.texts("columns", _MOST_ITEMS, _COLUMN_BYTES)),
        spreadsheet=asked.switch("spreadsheet"),
        sunbird=asked.switch("sunbird"),
        since=asked.moment("since"),
        counted=asked.one_of("counted", Counted, Counted.FIRST) or Counted.FIRST,
        by_week=asked.switch("byWeek"),
        names=asked.one_of("names", Naming, None),
        originals=asked.switch("originals"),
        pictures=tuple(sorted(set(asked.some_of("pictures", ImageFormat)))),
    )
    if report is None and "report" not in asked.wrong:
        asked.refuse("report", f"report: name one of {_listed(Report)}")
    problems = [*asked.problems, *asked.unknown(), *_contradictions(spec, asked)]
    if problems:
        raise BadReport(problems)
    return spec


def default_format(report: Report | None) -> Format:
    """The format of a report if none is given."""
    return Format.HTML if report is Report.OVERVIEW else Format.CSV


def _contradictions(spec: ReportSpec, asked: "_Asked") -> list[str]:
    """Options that are right alone and wrong together."""
    problems = []
    if not (spec.batches or spec.batch_pattern or asked.wrong & {"batchId", "batchFilter", "batchPattern"}):
        problems.append("batchId, batchFilter, batchPattern: name a batch, a list of batches, or a pattern like 2024-*")
    if spec.batches and spec.batch_pattern:
        problems.append("batchPattern: leave it out if batchId or batchFilter is given")
    if spec.attempted_from is not None and spec.attempted_to is not None and spec.attempted_from >= spec.attempted_to:
        problems.append("attemptedTo: it must be after attemptedFrom; attempts of that very moment are not included")
    if len(set(spec.columns)) < len(spec.columns):
        problems.append("columns: name each column once")
    if spec.dialect is not Dialect.EXACT and spec.format not in CSV_FORMATS:
        problems.append(f"{spec.dialect}: it is for CSV; leave it out, or use format {_listed(CSV_FORMATS)}")
    if spec.spreadsheet and spec.sunbird:
        problems.append("sunbird: leave it out, or leave out spreadsheet")
    if spec.sunbird and spec.report is not Report.RESPONSE:
        problems.append("sunbird: it is for the report response; leave it out")
    if "report" in asked.wrong:
        return problems
    if spec.versions is Versions.ALL and spec.report not in _OF_VERSIONS:
        problems.append(f"versions: the report {spec.report} counts newest versions; all is for response and score")
    if spec.originals and spec.report not in _OF_VERSIONS:
        problems.append(f"originals: the report {spec.report} has no column for them; leave it out")
    problems += _contradictions_of_page(spec)
    if spec.pictures:
        problems += _contradictions_of_pictures(spec)
    if spec.report in (*ANALYSES, Report.OVERVIEW):
        if spec.names is Naming.LEARNERS:
            problems.append(f"names: the report {spec.report} has no learners; use titles")
        if spec.learner is not None:
            problems.append(f"userId: the report {spec.report} has figures of many learners; leave it out")
        if spec.since is not None:
            problems.append(f"since: the report {spec.report} has figures of all attempts; leave it out")
    elif spec.counted is not Counted.FIRST:
        problems.append(f"counted: it is for the reports {_listed((*ANALYSES, Report.OVERVIEW))}; leave it out")
    if spec.by_week and spec.report not in ANALYSES:
        problems.append(f"byWeek: it is for the reports {_listed(ANALYSES)}; leave it out")
    return problems


def _contradictions_of_page(spec: ReportSpec) -> list[str]:
    """The overview is a page, and no other report is one."""
    if (spec.report is Report.OVERVIEW) != (spec.format is Format.HTML):
        if spec.format is Format.HTML:
            return [f"format: html is for the report overview; use {_listed(ROW_FORMATS)}"]
        return ["format: the report overview is a page with pictures; leave format out, or use html"]
    if spec.report is Report.OVERVIEW and spec.columns:
        return ["columns: the report overview has none; leave them out"]
    return []


def _contradictions_of_pictures(spec: ReportSpec) -> list[str]:
    """The pictures show figures of many learners, like the overview, whatever the report has."""
    if spec.report in (*ANALYSES, Report.OVERVIEW):
        return []  # these reports refuse the same options
    problems = []
    if spec.versions is Versions.ALL:
        problems.append("pictures: they show newest versions; leave them out, or leave out versions all")
    if spec.learner is not None:
        problems.append("pictures: they have figures of many learners; leave them out, or leave out userId")
    if spec.since is not None:
        problems.append("pictures: they have figures of all attempts; leave them out, or leave out since")
    return problems


class _Asked:
    """Reads a configuration member by member, and collects the problems."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._config = config
        self._names: set[str] = set()
        self.problems: list[str] = []
        self.wrong: set[str] = set()
        """The members with a problem."""

    def refuse(self, name: str, problem: str) -> None:
        self.wrong.add(name)
        self.problems.append(problem)

    def unknown(self) -> list[str]:
        """A problem for the members that were not read."""
        names = sorted(_quoted(name) for name in self._config if name not in self._names)
        if not names:
            return []
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return [f"{', '.join(names[:5])}{more}: no such option; the options are {_listed(sorted(self._names))}"]

    def text(self, name: str, most: int) -> str | None:
        value = self._value(name)
        return None if value is None else self._text(name, value, most)

    def texts(self, name: str, most_items: int, most: int) -> list[str]:
        """A list of texts, or one text."""
        value = self._value(name)
        items = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
        if len(items) > most_items:
            self.refuse(name, f"{name}: it has {len(items):,} entries, and {most_items:,} are allowed; ask in parts")
            return []
        texts = (self._text(name, item, most) for item in items)
        return [text for text in texts if text is not None]

    def ids(self, name: str, most: int) -> list[str]:
        return self.texts(name, most, _ID_BYTES)

    def each(self, name: str, most: int, parse: Callable[[str], _Value]) -> list[_Value]:
        parsed = (self._parsed(name, text, parse) for text in self.texts(name, most, _ID_BYTES))
        return [value for value in parsed if value is not None]

    def moment(self, name: str) -> int | None:
        value = self._value(name)
        if value is None:
            return None
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str):
            self.refuse(name, f"{name}: {_quoted(value)} is not a moment; write it like 2025-01-06T00:00:00Z")
            return None
        return self._parsed(name, text, lambda text: parse_moment(text, name), named=True)

    def switch(self, name: str) -> bool:
        value = self._value(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.refuse(name, f"{name}: {_quoted(value)} is neither true nor false")
        return False

    def one_of(self, name: str, kind: type[_Enum], default: _Enum | None) -> _Enum | None:
        value = self._value(name)
        if value is None:
            return default
        found = next((one for one in kind if one.value == value), None)
        if found is None:
            self.refuse(name, f"{name}: {_quoted(value)} is not one of {_listed(kind)}")
        return found

    def some_of(self, name: str, kind: type[_Enum]) -> list[_Enum]:
        """Any number of the members of an enumeration."""
        texts = self.texts(name, _MOST_ITEMS, _ID_BYTES)
        for text in texts:
            if text not in set(kind):
                self.refuse(name, f"{name}: {_quoted(text)} is not one of {_listed(kind)}")
        return [kind(text) for text in texts if text in set(kind)]

    def _value(self, name: str) -> object:
        self._names.add(name)
        value = self._config.get(name)
        return None if value in ("", [], ()) else value

    def _text(self, name: str, value: object, most: int) -> str | None:
        if not isinstance(value, str) or not value:
            self.refuse(name, f"{name}: {_quoted(value)} is not a text")
            return None
        try:
            size = len(value.encode())
        except UnicodeEncodeError:  # a shell passes invalid UTF-8 as surrogates
            self.refuse(name, f"{name}: {_quoted(value)} is not UTF-8")
            return None
        if size > most:
            self.refuse(name, f"{name}: {_quoted(value)} has {size:,} bytes, and {most:,} are allowed")
            return None
        return value

    def _parsed(self, name: str, text: str, parse: Callable[[str], _Value], named: bool = False) -> _Value | None:
        try:
            return parse(text)
        except AssessError as error:
            self.refuse(name, str(error) if named else f"{name}: {error}")
            return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _quoted(value: object) -> str:
    """A wrong value in a message: a text is cut, and of a number or a list only the kind is shown."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else repr(value[:_SHOWN] + "…")
    kinds = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)
