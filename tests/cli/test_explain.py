"""`assess explain`: a story for people, JSON for programs, a message for an unknown learner."""

import json

from assess_core.ports.stores import Stores
from tests.cli.conftest import Assess
from tests.factories import ATTEMPTED, event
from tests.loop import put_away, take

ASKED = ("--learner", "u1", "--assessment", "a1")


def test_a_person_reads_it_from_top_to_bottom(assess: Assess, stores: Stores) -> None:
    take(stores, event(), event(attempted=ATTEMPTED - 1))
    put_away(stores)
    lines = assess("explain", *ASKED).stdout.splitlines()
    assert lines[0] == "Learner u1, assessment a1, course c1, batch b1"
    expected = ["The best score is", "The last score is", "1 attempt, 2 accepted versions.", "Attempt t1:"]
    expected += ["counts: it was attempted last.", "Slice b1|2024-W05: cleared.", "Stored in the lake."]
    expected += [".parquet, row group 0, row", "Manifest entry 2 vouches", "with SHA-256", "Superseded: version"]
    expected += ["It does not count because of", "Its event was not found in the log"]
    rest = iter(lines)
    assert [each for each in expected if not any(each in line for line in rest)] == []


def test_json_is_a_list_with_an_object_for_each_score(assess: Assess, stores: Stores) -> None:
    take(stores, event(), event(batch="b2"))
    found = json.loads(assess("explain", *ASKED, "--json").stdout)
    assert [(each["user_id"], each["batch_id"], len(each["versions"])) for each in found] == [
        ("u1", "b1", 1), ("u1", "b2", 1),
    ]  # fmt: skip
    assert json.loads(assess("explain", *ASKED, "--batch", "b2", "--json").stdout) == [found[1]]


def test_an_unknown_learner_gives_exit_code_3_and_says_what_to_do(assess: Assess, stores: Stores) -> None:
    take(stores, event())
    result = assess("explain", "--learner", "nobody", "--assessment", "a1", "--course", "c1")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "assess: learner 'nobody' has no attempt at assessment 'a1' there; check the ids: "
        "`assess table summaries` lists them\n"
    )


def test_an_id_cannot_control_the_terminal(assess: Assess, stores: Stores) -> None:
    take(stores, event(attempt="\x1b[31mred"))
    assert "\x1b" not in assess("explain", *ASKED).stdout
