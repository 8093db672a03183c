"""`assess retain`, and `assess clear` beside holds and rules."""

import json
from pathlib import Path

import pytest

from assess_core.domain.moments import DAY
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.wiring.places import clock
from tests.cli.conftest import Assess
from tests.factories import event, version
from tests.lakes import keep
from tests.loop import NOW, take

W5 = "b1|2024-W05"
WHO = ("--by", "examinations office", "--reason", "case 12")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return tmp_path / "retention.toml"


@pytest.fixture
def verified(stores: Stores) -> Stores:
    keep(stores.hot, [version(), version(batch_id="b2")])
    archive(stores.hot.slices(), stores, NOW)
    verify(stores.hot.slices(), stores, NOW)
    return stores


def test_a_dry_run_shows_what_would_go_and_changes_nothing(assess: Assess, verified: Stores, rules: Path) -> None:
    rules.write_text('[[rule]]\ndrop = "1 year"\n')
    assess("hold", "add", "--batch", "b2", *WHO)
    env = {"ASSESS_RETENTION": str(rules)}

    shown = assess("retain", "--dry-run", "--json", env=env)

    found = [(row["slice"], row["action"], row["stopped"] is None) for row in json.loads(shown.stdout)]
    assert found == [(W5, "clear", True), (W5, "drop", True), ("b2|2024-W05", "clear", False),
                     ("b2|2024-W05", "drop", False)]  # fmt: skip
    assert "would be done: 2, stopped: 2; nothing was changed" in shown.stderr
    assert "rule 1 (*)" in assess("retain", "--dry-run", env=env).stdout
    assert len(verified.hot.held()) == 2


def test_retain_keeps_scores_and_a_report_says_so(assess: Assess, verified: Stores, rules: Path) -> None:
    rules.write_text('[[rule]]\nbatches = "b1"\nanswers = "1 year"\n')

    done = assess("retain", "--json", env={"ASSESS_RETENTION": str(rules)})

    found = [(row["slice"], row["action"], row["rows"]) for row in json.loads(done.stdout)]
    assert found == [(W5, "clear", 1), ("b2|2024-W05", "clear", 1), (W5, "keep scores", 1)]
    shown = assess("exhaust", "b1", "--report", "score")
    assert "scores without answers: 1 version of this report" in shown.stderr
    assert "1 score without answers" in assess("doctor").stdout


def test_retain_clears_and_drops_and_names_what_is_held(assess: Assess, verified: Stores, rules: Path) -> None:
    rules.write_text('[[rule]]\ndrop = "1 year"\n')
    assess("hold", "add", "--batch", "b2", *WHO)
    env = {"ASSESS_RETENTION": str(rules)}

    done = assess("retain", "--json", env=env)

    assert done.exit_code == 0
    found = [(row["slice"], row["action"], row["rows"], row["stopped"] is None) for row in json.loads(done.stdout)]
    assert found[:2] == [(W5, "clear", 1, True), (W5, "drop", 1, True)]
    assert [row[::3] for row in found[2:]] == [("b2|2024-W05", False)] * 2
    assert [str(slice_) for slice_ in verified.hot.held()] == ["b2|2024-W05"]
    assert json.loads(assess("slices", W5, "--json").stdout)[0]["status"] == "dropped"


def test_a_dry_run_does_not_count_a_clear_that_would_leave_late_rows(
    assess: Assess, verified: Stores, rules: Path
) -> None:
    rules.write_text("")
    env = {"ASSESS_RETENTION": str(rules)}
    clear([ArchiveSlice.parse(W5)], verified, NOW)
    keep(verified.hot, [version(attempt_id="late")])

    shown = assess("retain", "--dry-run", "--json", env=env)

    found = {row["slice"]: (row["action"], row["rows"], row["stopped"]) for row in json.loads(shown.stdout)}
    why = "1 row stays, because the lake does not hold it; archive, verify and clear again"
    assert found == {W5: ("clear", 0, why), "b2|2024-W05": ("clear", 1, None)}
    assert "would be done: 1, stopped: 1" in shown.stderr
    done = {row["slice"]: row["stopped"] for row in json.loads(assess("retain", "--json", env=env).stdout)}
    assert done == {slice_: stopped for slice_, (_, _, stopped) in found.items()}


def test_retain_does_not_count_a_clear_that_left_late_rows_as_done(
    assess: Assess, verified: Stores, rules: Path
) -> None:
    rules.write_text('[[rule]]\nhot = "1 day"\n')
    env = {"ASSESS_RETENTION": str(rules)}
    assess("retain", env=env)
    keep(verified.hot, [version(attempt_id="late")])

    done = assess("retain", "--json", env=env)

    [row] = json.loads(done.stdout)
    assert (done.exit_code, row["rows"]) == (0, 0)
    assert row["stopped"] == "1 row stays, because the lake does not hold it; archive, verify and clear again"
    assert "done: 0, stopped: 1" in done.stderr


def test_clear_closed_leaves_out_what_a_hold_or_a_rule_keeps_and_a_named_slice_is_cleared(
    assess: Assess, verified: Stores, rules: Path
) -> None:
    rules.write_text('[[rule]]\nbatches = "b2"\nhot = "99 years"\n')
    env = {"ASSESS_RETENTION": str(rules)}
    assess("hold", "add", "--batch", "b1", *WHO)

    kept = assess("clear", "--closed", env=env)
    assert kept.exit_code == 0
    assert f"{W5} is not cleared: hold " in kept.stderr
    assert "b2|2024-W05 is not cleared: it stays in the hot store until 2100-01-01" in kept.stderr
    assert len(verified.hot.held()) == 2

    assert assess("clear", W5, env=env).exit_code == 0
    assert [str(slice_) for slice_ in verified.hot.held()] == ["b2|2024-W05"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "ASSESS_RETENTION is not set"),
        ("", "cannot be read: No such file"),
        ("[[rule]]\ndrop = 'soon'", "rule 1: drop: 'soon' is no age"),
    ],
)
def test_wrong_rules_get_a_sentence_and_nothing_is_deleted(
    assess: Assess, verified: Stores, rules: Path, content: str | None, message: str
) -> None:
    if content:
        rules.write_text(content)
    env = {} if content is None else {"ASSESS_RETENTION": str(rules)}

    refused = assess("retain", env=env)

    assert (refused.exit_code, message in refused.output) == (2, True), refused.output
    assert len(verified.hot.held()) == 2


def test_clear_closed_asks_the_rules_at_the_moment_of_as_of(assess: Assess, stores: Stores) -> None:
    now = clock()
    take(stores, event(attempted=now), received=now)
    later = ("--closed", "--as-of", str(now + 30 * DAY))
    for step in ("archive", "verify"):
        assert assess(step, *later).exit_code == 0

    assert "no slice" in assess("clear", "--closed").stderr
    assert "1 slice: 1 row deleted" in assess("clear", *later).stderr
