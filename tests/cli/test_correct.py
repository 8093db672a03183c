"""`assess correct dry-run` on the command line."""

import json
from pathlib import Path

import pytest

from assess_core.ports.stores import Stores
from tests.cli.conftest import Assess
from tests.factories import answer, version
from tests.lakes import keep

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
