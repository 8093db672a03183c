"""The file of scheduled reports: what an entry means, and what is said about a wrong one."""

from datetime import UTC, datetime, timedelta

import pytest

from assess_core.domain.moments import millis
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Naming, Report
from assess_core.domain.schedules import MOST_ENTRIES, Every, Schedule, Schedules, parse_schedules

MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
ENTRY = """
[[schedule]]  # for the board
name = "monday_scores"
every = "Monday"
at = "06:30"
prefix = "board/weekly"
report = "score"
format = "xlsx"
batchPattern = "2024-*"
names = "titles"
"""


def parsed(text: str) -> Schedules:
    return parse_schedules(text.encode(), "s.toml")


def one(**members: str) -> str:
    """An entry with some members changed; an empty text leaves a member out."""
    values = {"name": '"n"', "every": '"day"', "report": '"score"', "batchId": '"b1"', **members}
    return "[[schedule]]\n" + "".join(f"{name} = {value}\n" for name, value in values.items() if value)


def problems(text: str) -> list[str]:
    return list(parsed(text).described())


def test_an_entry_says_which_report_is_written_when_and_where() -> None:
    [entry] = parsed(ENTRY).entries
    assert entry[:4] == ("monday_scores", Every.MONDAY, 390, "board/weekly")
    assert (entry.spec.report, entry.spec.format, entry.spec.batch_pattern) == (Report.SCORE, Format.XLSX, "2024-*")
    assert (entry.spec.names, entry.line, entry.at) == (Naming.TITLES, 2, "06:30")
    assert entry.folder(millis(MONDAY)) == "board/weekly/monday_scores/2025-01-06"
    assert not parsed(ENTRY).problems


def test_an_entry_can_name_a_period_relative_to_the_run() -> None:
    [entry] = parsed(one(period='"last 2 weeks"')).entries
    assert [str(week) for week in entry.spec_at(millis(MONDAY)).weeks] == ["2024-W52", "2025-W01"]
    assert parsed(one()).entries[0].spec_at(millis(MONDAY)).weeks == ()
    assert problems(one(period='"last year"')) == [
        "s.toml:1: period: 'last year' is wrong; write this week, last week, last 4 weeks, this month or last month"
    ]
    assert problems(one(period="4"))
    assert problems(one(period='"last week"', weeks='["2024-W05"]')) == [
        "s.toml:1: period: leave it out if weeks is given"
    ]


def test_an_entry_needs_only_a_name_days_and_a_report() -> None:
    [entry] = parsed(one()).entries
    assert (entry.at, entry.prefix, entry.spec.batches) == ("06:00", "scheduled", ("b1",))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing yet\r\n", "\ufeff# a mark\n".encode()])
def test_a_file_without_entries_is_right(content: bytes) -> None:
    assert parse_schedules(content, "s.toml") == Schedules("s.toml")


def test_line_ends_of_windows_are_read() -> None:
    two = f"{ENTRY}\n{ENTRY.replace('monday_scores', 'other')}"
    found = parsed(two.replace("\n", "\r\n"))
    assert [entry.name for entry in found.entries] == ["monday_scores", "other"]
    assert not found.problems


@pytest.mark.parametrize("every", list(Every))
def test_a_schedule_is_due_on_its_days_from_its_time_on(every: Every) -> None:
    [entry] = parsed(one(every=f'"{every}"', at='"06:30"')).entries
    days = [MONDAY + timedelta(days=number) for number in range(60)]
    due = {day for day in days if entry.is_due(millis(day + timedelta(hours=6, minutes=30)))}

    weekday = [each.value for each in Every][1:8]
    assert due == {
        day
        for day in days
        if every is Every.DAY or weekday[day.weekday()] == every or (every is Every.MONTH and day.day == 1)
    }
    assert not [day for day in days if entry.is_due(millis(day + timedelta(hours=6, minutes=29, seconds=59)))]


@pytest.mark.parametrize(
    ("every", "cron"),
    [("day", "5 23 * * *"), ("monday", "5 23 * * 1"), ("sunday", "5 23 * * 0"), ("month", "5 23 1 * *")],
)
def test_a_schedule_is_written_as_cron_writes_it(every: str, cron: str) -> None:
    [entry] = parsed(one(every=f'"{every}"', at='"23:05"')).entries
    assert entry.cron == cron


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"name": ""}, "name: it is missing; use 1 to 60 letters, digits and _"),
        ({"name": '"a b"'}, "name: 'a b' is wrong"),
        ({"name": '"../x"'}, "name: '../x' is wrong"),
        ({"name": "3"}, "name: int is wrong"),
        ({"every": ""}, "every: it is missing; write one of day, monday"),
        ({"every": '"fortnight"'}, "every: 'fortnight' is wrong"),
        ({"every": "[]"}, "every: list is wrong"),
        ({"at": '"24:00"'}, "at: '24:00' is wrong; write it like 06:00 (UTC)"),
        ({"at": '"6:00"'}, "at: '6:00' is wrong"),
        ({"at": "06:00:00"}, "at: time is wrong"),
        ({"prefix": '"../secret"'}, "prefix: '../secret' is wrong; write a folder below that of reports"),
        ({"prefix": '"/etc"'}, "prefix: '/etc' is wrong"),
        ({"prefix": '"a//b"'}, "prefix: 'a//b' is wrong"),
        ({"prefix": '""'}, "prefix: '' is wrong"),
        ({"prefix": f'"{"x" * 201}"'}, "prefix: 'xxx"),
        ({"report": '"scores"'}, "report: 'scores' is not one of response, score"),
        ({"report": ""}, "report: name one of response"),
        ({"batchId": ""}, "name a batch, a list of batches, or a pattern like 2024-*"),
        ({"batch": '"b2"'}, "'batch': no such option; the options are"),
        ({"weeks": '["2024-W60"]'}, "weeks: "),
    ],
)
def test_a_wrong_member_is_named_with_the_line_of_its_entry(members: dict[str, str], reason: str) -> None:
    [problem] = problems(f"# first\n\n{one(**members)}")
    assert problem.startswith("s.toml:3: ")
    assert reason in problem
    assert not parsed(one(**members)).entries


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("name = 'x'\n", 1, "this stands before the first entry; begin each entry with [[schedule]]"),
        ("# first\n[schedule]\nname = 'x'\n", 2, "this stands before the first entry"),
        (f"\n{one()}x\n", 7, "this is not TOML"),
        ("[[schedule]]\nname = 'x'\nevery = = 1\n", 3, "this is not TOML"),
        ("[[schedule]]\nname = 'x'\nname = 'y'\n", 3, "this is not TOML"),
        ('[[schedule]]\nname = """x\n', 1, "this is not TOML"),
        (f"[[schedule]]\nx = {'[' * 50_000}\n", 1, "this is nested too deeply"),
        (f"[[schedule]]\nx = {'9' * 5000}\n", 1, "this is not TOML"),
    ],
)
def test_what_is_not_toml_is_named_with_its_line(text: str, line: int, reason: str) -> None:
    [problem, *_] = problems(text)
    assert problem.startswith(f"s.toml:{line}: {reason}")
    assert len(problem) < 300


def test_bytes_that_are_not_utf_8_are_named_with_their_line() -> None:
    found = parse_schedules(b"# a\n# \xff\n" + one().encode(), "s.toml")
    assert list(found.described()) == ["s.toml:2: the file is not UTF-8; save it as UTF-8"]


def test_a_wrong_entry_does_not_affect_the_others() -> None:
    found = parsed(one(name='"a"') + one(every="x") + one(name='"b"') + one(name='"a"'))
    assert [entry.name for entry in found.entries] == ["a", "b"]
    assert [problem.line for problem in found.problems] == [8, 16]
    assert found.problems[1].reason == "name: line 1 has the name 'a' too; use another one"


def test_a_file_is_bounded() -> None:
    assert "write fewer entries" in problems("#" * 1024**2 + "#")[0]
    many = parsed("[[schedule]]\n" * (MOST_ENTRIES + 1))
    assert [problem.line for problem in many.problems] == [MOST_ENTRIES + 1]


def test_two_schedules_never_write_the_same_file() -> None:
    first, second = (Schedule(name, Every.DAY, 0, "p", parsed(ENTRY).entries[0].spec, 1) for name in ("a", "b"))
    assert first.folder(0) != second.folder(0)
