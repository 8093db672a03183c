"""Rules of retention: how they are read, which one counts, and when it is due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.moments import LATEST, iso, millis, moment
from assess_core.domain.retention import Age, Rule, due_to_clear, due_to_drop, parse_rules, rule_of, why_not_clear
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadSettings

FILE = b"""
# kept for good
[[rule]]
batches = "exam-*"

[[rule]]
batches = "2024-*"
hot = "90 days"
drop = "7 years"

[[rule]]
hot = "1 week"
"""
RULES = parse_rules(FILE, "retention.toml")


def of(batch_id: str) -> ArchiveSlice:
    return ArchiveSlice(IsoWeek(2024, 5), batch_id)  # it ends on 5 February 2024


def test_the_first_rule_whose_pattern_matches_counts() -> None:
    assert [rule_of(RULES, batch) for batch in ("exam-1", "2024-A", "other")] == list(RULES)
    assert rule_of(RULES[:2], "other") is None
    assert rule_of((), "other") is None


def test_ages_begin_with_the_end_of_the_week() -> None:
    assert iso(due_to_clear(of("2024-A"), RULES)) == "2024-05-05T00:00:00.000Z"
    assert iso(due_to_drop(of("2024-A"), RULES) or 0) == "2031-02-05T00:00:00.000Z"
    assert iso(due_to_clear(of("other"), RULES)) == "2024-02-12T00:00:00.000Z"


def test_without_a_rule_a_slice_is_cleared_at_once_and_never_dropped() -> None:
    assert due_to_clear(of("other"), ()) == of("other").week.end
    assert due_to_drop(of("other"), ()) is None
    assert due_to_drop(of("exam-1"), RULES) is None


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("1 year", "2024-02-29", "2025-03-01"),
        ("4 years", "2024-02-29", "2028-02-29"),
        ("7 years", "2024-02-05", "2031-02-05"),
        ("2 weeks", "2024-02-05", "2024-02-19"),
        ("1 day", "2024-12-31", "2025-01-01"),
        ("100 years", "2024-02-05", "2100-01-01"),
        ("99999 days", "2024-02-05", "2100-01-01"),
    ],
)
def test_an_age_ends_at_the_same_date_or_after_its_days(text: str, begin: str, end: str) -> None:
    age = Age.parse(text)
    assert age is not None
    assert str(age) == text
    start = millis(moment(0).fromisoformat(f"{begin}T00:00:00Z"))
    assert iso(age.after(start))[:10] == end


@given(
    st.integers(1, 99999), st.sampled_from(["day", "days", "week", "weeks", "year", "years"]), st.integers(0, LATEST)
)
def test_an_age_never_ends_before_it_begins(number: int, unit: str, start: int) -> None:
    age = Age.parse(f"{number} {unit}")
    if age is not None:
        assert start <= age.after(start) <= max(start, LATEST)


@pytest.mark.parametrize(
    "text", ["", "7", "years", "0 days", "-1 days", "1.5 years", "7 months", "2000 years", "٣ days"]
)
def test_a_text_that_is_no_age_is_refused(text: str) -> None:
    assert Age.parse(text) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[[rule]]\ndrop = 7", "begin each rule with"),
        (b"[[rule]]\ndorp = '7 years'", "dorp"),
        (b"[rule]\ndrop = '7 years'", "begin each rule with"),
        (b"drop = '7 years'", "begin each rule with"),
        (b"[[rule]]\n\n[[rule]]\ndrop = 'soon'", "rule 2: drop: 'soon' is no age"),
        (b"[[rule]]\nhot = '2 years'\ndrop = '700 days'", "rule 1: drop: 700 days must be longer than hot, 2 years"),
        (b"[[rule]]\nhot = '2 years'\nanswers = '1 year'", "rule 1: answers: 1 year must be longer than hot, 2 years"),
        (b"[[rule]]\nanswers = '7 years'\ndrop = '7 years'", "rule 1: drop: 7 years must be longer than answers"),
        (b"[[rule]]\nbatches = ''", "rule 1: batches"),
        (b"\xff", "not UTF-8"),
        (b"[[rule]]\n" * 1001, "more than 1,000 rules"),
        (b"#" * (1024**2 + 1), "more than 1,048,576 bytes"),
        (b"rule = " + b"[" * 100_000, ""),
    ],
)
def test_one_wrong_rule_makes_the_whole_file_invalid(content: bytes, message: str) -> None:
    with pytest.raises(
        BadSettings, match=r"ASSESS_RETENTION: retention.toml: .*nothing was cleared or dropped"
    ) as refused:
        parse_rules(content, "retention.toml")
    assert message in str(refused.value)


def test_a_file_without_rules_has_none() -> None:
    assert parse_rules(b"# nothing yet", "retention.toml") == ()


def test_a_bracket_in_a_pattern_matches_a_bracket_and_not_one_of_several_characters() -> None:
    rules = parse_rules(b'[[rule]]\nbatches = "course[12]*"\n', "rules.toml")

    assert rule_of(rules, "course[12] 2024") is not None
    assert rule_of(rules, "course1 2024") is None


def test_a_rule_has_a_name_for_messages() -> None:
    assert str(Rule(2, "2024-*")) == "rule 2 (2024-*)"


def test_the_reason_why_a_slice_is_not_cleared_names_the_rule_or_the_end_of_the_week() -> None:
    slice_ = ArchiveSlice.parse("b1|2024-W05")
    rules = parse_rules(b'[[rule]]\nbatches = "b*"\nhot = "90 days"\n', "rules")

    assert why_not_clear(slice_, (), {}, slice_.week.end) is None
    early = why_not_clear(slice_, (), {}, slice_.week.end - 1)
    assert early == "it stays in the hot store until 2024-02-05T00:00:00.000Z (the end of its week)"
    assert str(why_not_clear(slice_, rules, {}, slice_.week.end)).endswith(f"({rules[0]})")
