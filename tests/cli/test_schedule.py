"""`assess schedule`: list and run scheduled reports."""

import csv
import io
from pathlib import Path

import pytest

from assess_core.ports.stores import Stores
from tests.cli.conftest import Assess
from tests.factories import event
from tests.loop import take

FILE = """
[[schedule]]
name = "daily"
every = "day"
at = "00:00"
report = "score"
batchPattern = "b*"

[[schedule]]
name = "none"
every = "day"
at = "00:00"
report = "score"
batchPattern = "x*"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stores: Stores) -> Path:
    """The file of schedules, and a store with one attempt."""
    take(stores, event())
    path = tmp_path / "schedules.toml"
    path.write_text(FILE)
    monkeypatch.setenv("ASSESS_SCHEDULES", str(path))
    return path


def states(text: str) -> list[tuple[str, str, str]]:
    return [(row["schedule"], row["batch_id"], row["state"]) for row in csv.DictReader(io.StringIO(text))]


def test_a_repeated_run_says_that_the_files_are_there(assess: Assess, file: Path) -> None:
    first, second = (assess("schedule", "run", "--format", "csv") for _ in range(2))

    assert states(first.stdout) == [("daily", "b1", "written"), ("none", "", "nothing to write")]
    assert states(second.stdout) == [("daily", "b1", "already there"), ("none", "", "nothing to write")]
    assert "none: no batch matches 'x*'" in first.stderr
    assert "1 nothing to write, 1 written" in first.stderr
    assert (first.exit_code, second.exit_code) == (0, 0)


def test_a_named_day_gets_the_files_of_that_day(assess: Assess, file: Path) -> None:
    result = assess("schedule", "run", "daily", "--day", "2025-01-06", "--format", "csv")
    [row] = csv.DictReader(io.StringIO(result.stdout))
    assert "scheduled/daily/2025-01-06/b1.csv" in row["path"]


def test_wrong_entries_are_named_and_the_others_are_run(assess: Assess, file: Path) -> None:
    file.write_text(f'{FILE}[[schedule]]\nname = "bad"\nreport = "x"\n')
    listed, run = assess("schedule", "list", "--format", "csv"), assess("schedule", "run", "--format", "csv")

    assert [row["schedule"] for row in csv.DictReader(io.StringIO(listed.stdout))] == ["daily", "none"]
    assert f"{file}:15: every: it is missing" in listed.stderr
    assert states(run.stdout)[0] == ("daily", "b1", "written")
    assert (listed.exit_code, run.exit_code) == (2, 2)


def test_a_report_that_fails_gives_exit_code_1(assess: Assess, file: Path) -> None:
    file.write_text('[[schedule]]\nname = "a"\nevery = "day"\nat = "00:00"\nreport = "score"\nbatchId = "b9"\n')
    result = assess("schedule", "run", "--format", "csv")
    assert (result.exit_code, states(result.stdout)) == (1, [("a", "b9", "failed")])


def test_nothing_due_is_said(assess: Assess, file: Path) -> None:
    file.write_text(FILE.replace('"day"', '"month"'))
    result = assess("schedule", "run", "--day", "2025-01-06")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no schedule is due" in result.stderr


@pytest.mark.parametrize("arguments", [("nope",), ("daily", "--day", "soon"), ("--day", "2025-13-01")])
def test_a_wrong_argument_gives_a_message(assess: Assess, file: Path, arguments: tuple[str, ...]) -> None:
    result = assess("schedule", "run", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("assess: ")
