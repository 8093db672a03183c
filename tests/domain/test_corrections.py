"""Corrections: what an attempt is worth under them, and which files are refused."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from assess_core.domain.attempts import Answer, AttemptVersion, grand_total, total
from assess_core.domain.corrections import (
    Correction,
    Drop,
    FullMarks,
    Key,
    Maximum,
    Rule,
    Scale,
    Totals,
    corrected,
    corrected_version,
    marks_of,
    parse_correction,
    read_correction,
    require_scalable,
)
from assess_core.errors import BadCorrection
from tests.factories import ATTEMPTED, answer, version
from tests.properties.strategies import examples

RIGHT = [{"1": '{"text":"Dispur"}'}]
WRITTEN = {"assessment": "a1", "question": "q1", "rule": {"kind": "full-marks"}}


def worth(row: AttemptVersion, *corrections: Correction) -> Totals:
    return corrected(row, marks_of(row), corrections)


def of(rule: Rule, question: str = "q1") -> Correction:
    return Correction("a1", question, rule)


def two(score: float = 1.0, max_score: float = 4.0) -> AttemptVersion:
    """An attempt with this answer to q1, and 2 of 3 for q2."""
    return version(answers=[answer("q1", score, max_score), answer("q2", 2.0, 3.0)])


@pytest.mark.parametrize(
    ("rule", "totals"),
    [
        (FullMarks(), (6.0, 7.0)),
        (Drop(), (2.0, 3.0)),
        (Maximum(2.0), (3.0, 5.0)),
        (Maximum(0.5), (2.5, 3.5)),
        (Scale(8.0), (4.0, 11.0)),
        (Key([RIGHT]), (6.0, 7.0)),
        (Key([[{"1": "Guwahati"}]]), (2.0, 7.0)),
    ],
)
def test_a_rule_changes_the_marks_of_its_question_alone(rule: Rule, totals: tuple[float, float]) -> None:
    assert worth(two(), of(rule)) == totals


def test_a_full_score_stays_full_when_it_is_scaled() -> None:
    assert worth(two(0.1, 0.1), of(Scale(0.7)), of(Drop(), "q2")) == (0.7, 0.7)


def test_corrections_apply_one_after_the_other() -> None:
    assert worth(two(), of(Maximum(2.0)), of(FullMarks())) == (4.0, 5.0)
    assert worth(two(), of(Scale(2.0)), of(Maximum(1.0)), of(Drop(), "q2")) == (0.5, 1.0)


@pytest.mark.parametrize(
    "scope",
    [
        {"assessment": "a2"},
        {"question": "q9"},
        {"course": "c2"},
        {"batches": ("b2", "b3")},
        {"attempted_from": ATTEMPTED + 1},
        {"attempted_to": ATTEMPTED},
    ],
)
def test_an_attempt_outside_the_scope_keeps_its_totals(scope: dict[str, object]) -> None:
    assert worth(two(), structs.replace(of(FullMarks()), **scope)) == (3.0, 7.0)


def test_an_attempt_within_every_limit_of_the_scope_is_corrected() -> None:
    scope = Correction("a1", "q1", FullMarks(), "c1", ("b1", "b2"), ATTEMPTED, ATTEMPTED + 1)

    assert worth(two(), scope) == (6.0, 7.0)


def test_totals_of_an_older_system_change_by_what_the_marks_change() -> None:
    imported = structs.replace(two(), total_score=10.0, total_max_score=20.0)

    assert worth(imported, of(FullMarks())) == (13.0, 20.0)
    assert worth(imported, of(Drop())) == (9.0, 16.0)


@pytest.mark.parametrize(("score", "maximum", "new"), [(1.0, 0.0, 2.0), (0.0, 0.0, 2.0), (1e308, 1e-300, 1e9)])
def test_a_score_that_cannot_be_scaled_stays_and_is_refused_with_a_way_out(
    score: float, maximum: float, new: float
) -> None:
    row, scaled = two(score, maximum), of(Scale(new))

    assert worth(row, scaled) == (row.total_score, row.total_max_score)
    with pytest.raises(BadCorrection, match=r"'q1' has the score .* cannot be scaled; use the rule maximum"):
        require_scalable(row, marks_of(row), [of(Maximum(9.0), "q2"), scaled])


def test_only_answers_that_count_must_be_scalable() -> None:
    row = two(0.0, 0.0)

    require_scalable(row, marks_of(row), [of(Drop()), of(Scale(2.0)), of(Scale(2.0), "q2"), of(Scale(2.0), "q9")])
    require_scalable(row, marks_of(row), [of(Maximum(1.0)), of(Scale(2.0))])


numbers = st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 1.33, 2.0, 1e15])
sheets = st.lists(st.builds(answer, id=st.sampled_from("abcdef"), score=numbers, max_score=numbers), max_size=6)
rules = st.one_of(
    st.builds(FullMarks), st.builds(Drop), st.builds(Maximum, st.just(2.0)), st.builds(Key, st.just([RIGHT]))
)
some = st.lists(st.builds(of, rules, st.sampled_from("abcdef")), max_size=4)


@examples(100)
@given(sheets, some)
def test_corrected_totals_are_those_of_an_attempt_with_the_corrected_answers(
    sheet: list[Answer], corrections: list[Correction]
) -> None:
    row = version(answers=sheet)
    kept = json.loads(row.question)
    for correction in corrections:
        of_question = [each for each in kept if each["id"] == correction.question]
        for each in of_question:
            if isinstance(correction.rule, Drop):
                kept.remove(each)
            elif isinstance(correction.rule, Maximum):
                each["max_score"] = 2.0
                each["score"] = min(each["score"], 2.0)
            else:
                each["score"] = each["max_score"]
    again = version(answers=[answer(each["id"], each["score"], each["max_score"]) for each in kept])

    assert worth(row, *corrections) == (again.total_score, again.total_max_score)


@examples(100)
@given(sheets, some)
def test_a_corrected_version_has_corrected_answers_and_their_totals_and_stays_the_same_submission(
    sheet: list[Answer], corrections: list[Correction]
) -> None:
    row = version(answers=sheet)

    after = corrected_version(row, corrections)

    scores, maxima = (
        zip(*((mark.score, mark.max_score) for mark in marks_of(after)), strict=True) if sheet else ((), ())
    )
    assert (after.total_score, after.total_max_score) == worth(row, *corrections) == (total(scores), total(maxima))
    assert after.grand_total == grand_total(after.total_score, after.total_max_score)
    assert (after.key, after.version, after.received_at) == (row.key, row.version, row.received_at)
    assert [(mark.id, mark.resvalues) for mark in marks_of(after)] == [
        (mark.id, mark.resvalues) for mark in marks_of(row)
    ]


def test_a_dropped_answer_keeps_its_place_with_score_and_maximum_0_whatever_follows() -> None:
    after = corrected_version(two(), [of(Drop()), of(Maximum(2.0)), of(Scale(3.0))])

    assert [(mark.id, mark.score, mark.max_score) for mark in marks_of(after)] == [("q1", 0.0, 0.0), ("q2", 2.0, 3.0)]
    assert (after.total_score, after.total_max_score, after.grand_total) == (2.0, 3.0, "2.0/3.0")


def test_a_version_without_a_changed_answer_stays_as_it_is() -> None:
    row = structs.replace(two(4.0, 4.0), grand_total="of an older system")

    assert corrected_version(row, [of(FullMarks()), of(Drop(), "q9")]) == row


@examples(50)
@given(sheets)
def test_without_corrections_every_attempt_keeps_its_totals(sheet: list[Answer]) -> None:
    row = version(answers=sheet)

    assert worth(row) == (row.total_score, row.total_max_score)


# --- files ---


def parse(**changes: object) -> Correction:
    return parse_correction(json.dumps({**WRITTEN, **changes}).encode(), "rule.json")


def test_a_file_has_a_scope_and_a_rule() -> None:
    assert parse() == Correction("a1", "q1", FullMarks())
    assert parse(
        course="c1",
        batches=["b2", "b1", "b2"],
        attemptedFrom="2024-01-29",
        attemptedTo="2024-01-30",
        rule={"kind": "key", "responses": [RIGHT]},
    ) == Correction("a1", "q1", Key([RIGHT]), "c1", ("b1", "b2"), ATTEMPTED - 86_400_000, ATTEMPTED)


def test_every_example_of_the_docs_is_a_correction() -> None:
    page = (Path(__file__).parents[2] / "docs" / "corrections.md").read_text(encoding="utf-8")
    [whole] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    written = json.loads(whole)
    rules = [json.loads(rule) for rule in re.findall(r"^\| `(\{.*\})` \|", page, re.MULTILINE)]

    kinds = [type(parse_correction(json.dumps({**written, "rule": rule}).encode(), "").rule) for rule in rules]

    assert kinds == [FullMarks, Maximum, Scale, Key, Drop]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "truncated"),
        (b"\xff", "malformed"),
        (b"[]", "Expected `object`"),
        (b"[" * 5000, "nested too deeply"),
        (b" " * (1024**2 + 1), "more than 1,048,576 bytes"),
        (rb'{"assessment": "\ud83d", "question": "q", "rule": {"kind": "drop"}}', "surrogate"),
        (json.dumps({**WRITTEN, "rule": {"kind": "scale", "maximum": float("inf")}}).encode(), "malformed"),
    ],
    ids=["empty", "no text", "list", "deep", "large", "half a pair", "infinite"],
)
def test_a_file_that_is_no_correction_is_refused_in_one_sentence(content: bytes, problem: str) -> None:
    with pytest.raises(BadCorrection, match=problem) as refused:
        parse_correction(content, "rule.json")
    assert str(refused.value).startswith("rule.json: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rule": {"kind": "scale", "maximum": -1}}, "maximum: -1 is not a number above 0"),
        ({"rule": {"kind": "maximum", "maximum": 0}}, "maximum: 0 is not a number above 0"),
        ({"rule": {"kind": "maximum", "maximum": 1e10}}, "is not a number above 0 and up to 1,000,000,000"),
        ({"rule": {"kind": "maximum"}}, "missing required field `maximum`"),
        ({"rule": {"kind": "guess"}}, "Invalid value 'guess'"),
        ({"rule": {"kind": "drop", "maximum": 1}}, "unknown field `maximum`"),
        ({"rule": {"kind": "key", "responses": []}}, "responses: 0 are given"),
        ({"question": ""}, "question: '' is no id"),
        ({"assessment": "x" * 1025}, "assessment: 'x+…' is no id"),
        ({"batches": ["b"] * 1001}, "batches: 1,001 are named"),
        ({"batches": [""]}, "batches: '' is no id"),
        ({"attemptedFrom": "soon"}, "attemptedFrom: 'soon' is neither"),
        ({"attemptedFrom": "2024-01-30", "attemptedTo": "2024-01-30"}, "must be after attemptedFrom"),
        ({"by": "me"}, "unknown field `by`"),
    ],
)
def test_a_correction_that_cannot_be_applied_is_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(BadCorrection, match=problem):
        parse(**changes)


def test_a_file_with_an_empty_list_of_batches_is_refused() -> None:
    """All batches would be corrected because a program looked for some and found none."""
    file = {"assessment": "a1", "question": "q1", "rule": {"kind": "drop"}}
    assert read_correction(json.dumps(file).encode(), "f.json").batches == ()
    assert read_correction(json.dumps({**file, "batches": ["b1"]}).encode(), "f.json").batches == ("b1",)
    with pytest.raises(BadCorrection, match=r"f\.json: batches: the list is empty; name batches, or leave batches out"):
        read_correction(json.dumps({**file, "batches": []}).encode(), "f.json")


def test_a_file_of_windows_with_a_byte_order_mark_is_read() -> None:
    file = json.dumps({"assessment": "a1", "question": "q1", "rule": {"kind": "drop"}})
    assert read_correction(file.encode("utf-8-sig"), "f.json") == read_correction(file.encode(), "f.json")
