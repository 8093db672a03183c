"""`assess correct` on the command line."""

import json
from pathlib import Path

import pytest

from assess_core.domain.correction_records import Decision, correction_record
from assess_core.domain.corrections import Correction, FullMarks, parse_correction
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.registering import enter
from tests.cli.conftest import Assess
from tests.factories import ATTEMPTED, answer, event, version
from tests.lakes import keep
from tests.loop import put_away, take

DECISION = Decision("examinations office", "Two options were right.", ATTEMPTED)

HEADER = (
    "user_id,course_id,batch_id,assessment_id,attempts,changed_attempts,best_score,best_max_score,corrected_best_score,"
    "corrected_best_max_score,change,last_score,corrected_last_score,pass"
)


@pytest.fixture
def rule(tmp_path: Path) -> str:
    file = tmp_path / "rule.json"
    file.write_text(json.dumps({"assessment": "a1", "question": "q1", "rule": {"kind": "full-marks"}}))
    return str(file)


def test_a_dry_run_lists_who_would_change_as_csv(assess: Assess, stores: Stores, rule: str) -> None:
    keep(stores.hot, [version(user_id="u1"), version(user_id="u2", answers=[answer(score=2.0)])])

    done = assess("correct", "dry-run", rule, "--pass-mark", "60")

    assert done.exit_code == 0, done.output
    assert done.stdout == f"{HEADER}\nu1,c1,b1,a1,1,1,1.0,2.0,2.0,2.0,1.0,1.0,2.0,gained\n"
    assert done.stderr == "scores that would change: 1; would pass: 1, would no longer pass: 0; nothing was changed\n"


def test_without_a_pass_mark_nobody_passes_or_fails(assess: Assess, stores: Stores, rule: str) -> None:
    keep(stores.hot, [version()])

    done = assess("correct", "dry-run", rule, "--format", "jsonl")

    assert json.loads(done.stdout)["pass"] is None
    assert done.stderr == "scores that would change: 1; nothing was changed\n"


def test_a_refused_correction_lists_nothing(assess: Assess, stores: Stores, rule: str, tmp_path: Path) -> None:
    keep(stores.hot, [version()])
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"assessment": "a1", "question": "q9", "rule": {"kind": "drop"}}))

    done = assess("correct", "dry-run", rule, str(other))

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"assess: {other}: no attempt in the scope has an answer to question 'q9'; check its id: the response report "
        "lists the questions\n"
    )


WHO = ("--by", "examinations office", "--reason", "Two options were right.")


def test_a_correction_is_applied_listed_and_reverted(assess: Assess, stores: Stores, rule: str) -> None:
    take(stores, event(), event(user="u2"))

    done = assess("correct", "apply", rule, *WHO)

    assert done.exit_code == 0, done.output
    id_ = done.stdout.strip()
    assert done.stderr == "it is in force\n2 versions of attempts are in its scope; 2 scores changed\n"
    shown = json.loads(assess("score", "--learner", "u1", "--assessment", "a1", "--json").stdout)
    assert (shown["bestScore"], shown["totalMaxScore"]) == (2.0, 2.0)
    again = assess("correct", "apply", rule, "--by", "Other", "--reason", "The same.")
    assert (again.stdout, again.stderr.splitlines()[0]) == (f"{id_}\n", "it was in force already")

    [listed] = json.loads(assess("correct", "list", "--json").stdout)
    assert [listed[name] for name in ("id", "status", "scores_written", "rule", "by", "reason", "reverted_by")] == [
        *(id_, "in force", True, "full marks", "examinations office", "Two options were right.", None)
    ]
    assert parse_correction(json.dumps(listed["correction"]).encode(), "") == Correction("a1", "q1", FullMarks())

    reverted = assess("correct", "revert", id_, *WHO)
    assert reverted.stderr.startswith("it is reverted\n2 versions")
    assert json.loads(assess("score", "--learner", "u1", "--assessment", "a1", "--json").stdout)["bestScore"] == 1.0
    table = assess("correct", "list").stdout
    assert ("reverted" in table, "full-marks" in table) == (True, False)  # the text of the file is too wide
    assert assess("correct", "revert", id_, *WHO).stderr.startswith("it was reverted already\n")


def test_an_archived_score_is_right_before_it_is_stored(assess: Assess, stores: Stores) -> None:
    take(stores, event())
    put_away(stores)
    enter(stores.hot, stores.lake, [correction_record(Correction("a1", "q1", FullMarks()), DECISION, [])])

    assert json.loads(assess("score", "--learner", "u1", "--assessment", "a1", "--json").stdout)["bestScore"] == 2.0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "problem"),
    [
        (["revert", "x-1", *WHO], 3, "there is no correction 'x-1'; `assess correct list` lists them"),
        (["revert", "x-1", "--by", "", "--reason", "y"], 2, "--by: write a text of 1 to 1,000 characters"),
        (["revert", "x-1", "--by", "x"], 2, "Missing option '--reason'"),
        (["apply", "none.json", *WHO], 2, "File 'none.json' does not exist"),
    ],
)
def test_a_decision_that_is_not_complete_is_refused(
    assess: Assess, stores: Stores, arguments: list[str], exit_code: int, problem: str
) -> None:
    done = assess("correct", *arguments)

    assert done.exit_code == exit_code
    assert problem in done.stderr


def test_the_doctor_names_a_correction_whose_command_was_interrupted(assess: Assess, stores: Stores, rule: str) -> None:
    take(stores, event())
    record = correction_record(Correction("a1", "q1", FullMarks()), DECISION, [])
    stores.lake.register.add([record])
    assert "1 decision is in one store only" in assess("doctor").stdout

    stores.hot.register.add([record])
    assert f"stored scores do not follow all of {record.id} yet" in assess("doctor").stdout

    assess("correct", "apply", rule, *WHO)
    assert "corrections     1 in force" in assess("doctor").stdout


def test_a_rebuild_brings_corrections_back(assess: Assess, settings: Settings, stores: Stores, rule: str) -> None:
    take(stores, event())
    put_away(stores)
    assess("correct", "apply", rule, *WHO)
    for file in settings.home.glob("hot.sqlite*"):
        file.unlink()

    done = assess("rebuild")

    assert done.exit_code == 0, done.output
    assert "1 correction was carried out again: 1 score changed" in done.stderr
    assert json.loads(assess("score", "--learner", "u1", "--assessment", "a1", "--json").stdout)["bestScore"] == 2.0
