"""Records of corrections: what is in force follows from the set of records."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from assess_core.domain.correction_records import (
    Corrections,
    Decided,
    Decision,
    correction_record,
    decision,
    entered,
    revert_record,
)
from assess_core.domain.corrections import (
    Correction,
    Drop,
    FullMarks,
    Key,
    Maximum,
    Scale,
    correction_text,
    parse_correction,
)
from assess_core.domain.register import Kind, Record
from assess_core.domain.scores import Entry
from assess_core.errors import BadCorrection, NotOurTable
from tests.factories import ATTEMPTED, version
from tests.properties.strategies import examples

WHO = Decision("Asha", "two options were right", ATTEMPTED)
FULL = Correction("a1", "q1", FullMarks())
corrections = st.builds(
    Correction,
    st.sampled_from(["a1", "a2"]),
    st.sampled_from(["q1", "q\N{SNOWMAN}"]),
    st.sampled_from([FullMarks(), Drop(), Maximum(0.1), Scale(3.0), Key([[{"1": "x"}], []])]),
    st.sampled_from([None, "c1"]),
    st.sampled_from([(), ("b1", "b2")]),
    st.sampled_from([None, ATTEMPTED]),
    st.sampled_from([None, ATTEMPTED + 1]),
)


@examples(50)
@given(corrections)
def test_a_correction_is_read_from_its_text_as_it_was(correction: Correction) -> None:
    assert parse_correction(correction_text(correction), "") == correction


class Story:
    """Corrections and reverts, one after the other, a second apart."""

    def __init__(self) -> None:
        self.corrections: list[Record] = []
        self.reverts: list[Record] = []
        self._at = ATTEMPTED

    def _next(self) -> Decision:
        self._at += 1000
        return WHO._replace(at=self._at)

    def apply(self, correction: Correction = FULL) -> str:
        stored = entered(self.corrections, self.reverts)
        record = correction_record(correction, self._next(), stored)
        if record[:3] not in [each[:3] for each in self.corrections]:
            self.corrections.append(record)
        return record.id

    def revert(self, correction: Correction = FULL) -> None:
        for one in self._decided():
            if one.correction == correction:
                self.reverts.append(revert_record(one, self._next()))

    def _decided(self) -> list[Decided]:
        return [one.decided for one in entered(self.corrections, self.reverts) if one.reverted is None]

    def in_force(self) -> list[Correction]:
        return [one.correction for one in self._decided()]


def test_a_correction_that_is_entered_twice_is_one_record() -> None:
    story = Story()

    assert story.apply() == story.apply()
    assert len(story.corrections) == 1


def test_a_correction_that_is_entered_again_after_a_revert_is_another_one() -> None:
    story = Story()
    first = story.apply()
    story.revert()
    second = story.apply()

    assert (first[-2:], second[-2:]) == ("-1", "-2")
    assert first[:-2] == second[:-2]
    assert story.in_force() == [FULL]
    story.revert()
    assert story.in_force() == []


@examples(50)
@given(st.lists(st.tuples(st.booleans(), corrections), max_size=6), st.randoms())
def test_what_is_in_force_does_not_depend_on_the_order_of_arrival(
    steps: list[tuple[bool, Correction]], shuffle: Random
) -> None:
    story, expected = Story(), list[Correction]()
    for applies, correction in steps:
        if applies:
            story.apply(correction)
            expected += [correction] if correction not in expected else []
        else:
            story.revert(correction)
            expected = [each for each in expected if each != correction]
    assert story.in_force() == expected

    shuffle.shuffle(story.corrections)
    shuffle.shuffle(story.reverts)
    assert story.in_force() == expected


def test_the_decisions_about_a_map_grow_with_its_versions_and_with_the_records() -> None:
    story, early = Story(), structs.replace(FULL, attempted_to=ATTEMPTED)
    covered, other = Entry.of(version(attempted=ATTEMPTED - 1)), Entry.of(version(attempted=ATTEMPTED))
    counts = []
    for step in (lambda: None, story.apply, lambda: story.apply(early), lambda: story.revert(early), story.apply):
        step()
        found = Corrections.of(story.corrections, story.reverts)
        counts.append([found.decisions(covered.key, some) for some in ([], [other], [other, covered])])

    assert counts == [[0, 0, 0], [0, 1, 1], [0, 1, 2], [0, 1, 3], [0, 1, 3]]


@pytest.mark.parametrize(
    ("by", "reason", "problem"),
    [
        *(("", "x", "--by"), (" ", "x", "--by"), ("\udcff", "x", "--by"), ("x", "", "--reason")),
        ("x", "y" * 1001, "--reason: write a text of 1 to"),
    ],
)
def test_a_decision_names_a_person_and_a_reason(by: str, reason: str, problem: str) -> None:
    with pytest.raises(BadCorrection, match=problem):
        decision(by, reason, ATTEMPTED)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        json.dumps({"by": "x", "reason": "y", "at": "2024-01-01"}),
        json.dumps({"by": "x", "reason": "y", "at": "soon", "correction": json.loads(correction_text(FULL))}),
        json.dumps(
            {"by": "x", "reason": "y", "at": "2024-01-01", "correction": {"assessment": "a1", "question": "q1"}}
        ),
        json.dumps(
            {
                "by": "x",
                "reason": "y",
                "at": "2024-01-01",
                "correction": json.loads(correction_text(structs.replace(FULL, assessment="a2"))),
            }
        ),
    ],
    ids=["list", "no correction", "no moment", "no rule", "other assessment"],
)
def test_a_damaged_record_is_named(content: str) -> None:
    with pytest.raises(NotOurTable, match=r"^correction 'x-1' in the register: .*; restore the register from a backup"):
        entered([Record(Kind.CORRECTION, "a1", "x-1", content)], [])
