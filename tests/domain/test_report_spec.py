"""What a report contains is parsed once into a value; every problem is a sentence."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.report_spec import ANALYSES, Counted, Report, ReportSpec, Versions, parse_report_spec
from assess_core.domain.slices import IsoWeek
from assess_core.errors import BadReport

NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = (
    "report", "format", "batchId", "batchFilter", "batchPattern", "courseId", "weeks", "attemptedFrom", "attemptedTo",
    "assessments", "userId", "versions", "columns", "spreadsheet", "since", "counted", "byWeek", "originals", "unknown",
)  # fmt: skip


def problems(**config: object) -> tuple[str, ...]:
    with pytest.raises(BadReport) as refused:
        parse_report_spec(config)
    return refused.value.problems


def test_a_full_configuration_becomes_one_value() -> None:
    spec = parse_report_spec(
        {
            "report": "score",
            "batchFilter": ["b2", "b1", "b2"],
            "courseId": "c1",
            "weeks": ["2025-W01", "2024-W05"],
            "attemptedFrom": "2024-01-29",
            "attemptedTo": 1706572800000,
            "assessments": ["a1"],
            "userId": "u1",
            "versions": "all",
            "columns": ["user_id", "total_score"],
            "since": "2024-02-01T00:00:00Z",
        }
    )

    assert spec == ReportSpec(
        report=Report.SCORE,
        batches=("b1", "b2"),
        course="c1",
        weeks=(IsoWeek(2024, 5), IsoWeek(2025, 1)),
        attempted_from=1706486400000,
        attempted_to=1706572800000,
        assessments=("a1",),
        learner="u1",
        versions=Versions.ALL,
        columns=("user_id", "total_score"),
        since=1706745600000,
    )


def test_null_empty_text_and_empty_list_do_not_filter() -> None:
    empty: dict[str, object] = dict.fromkeys(NAMES[4:-1], "") | {
        "courseId": None,
        "weeks": [],
        "columns": (),
        "batchPattern": None,
    }

    assert parse_report_spec({"report": "score", "batchId": "b1", **empty}) == ReportSpec(
        report=Report.SCORE, batches=("b1",)
    )


def test_all_problems_are_named_together() -> None:
    found = problems(report="scores", batchId=7, weeks=["2024-W54"], versions="old", spreadsheet="yes", tag="x")

    assert [problem.partition(":")[0] for problem in found] == [
        "report", "batchId", "weeks", "versions", "spreadsheet", "'tag'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"batchId": ""}, "name a batch"),
        ({"batchId": "b1", "batchPattern": "b*"}, "batchPattern: leave it out"),
        ({"batchId": "\udcff"}, "not UTF-8"),
        ({"batchId": "b" * 1025}, "1,025 bytes, and 1,024 are allowed"),
        ({"batchFilter": [str(n) for n in range(1001)]}, "1,001 entries, and 1,000 are allowed"),
        ({"batchPattern": "*" * 201}, "201 bytes"),
        ({"attemptedFrom": "2024-02-01", "attemptedTo": "2024-02-01"}, "attemptedTo: it must be after"),
        ({"attemptedFrom": "soon"}, "attemptedFrom"),
        ({"since": 1.5}, "since: a number is not a moment"),
        ({"columns": ["a", "a"]}, "name each column once"),
        ({"spreadsheet": True, "format": "parquet"}, "spreadsheet"),
        ({"report": "summary", "versions": "all"}, "counts newest versions"),
        ({"report": "summary", "originals": True}, "originals: the report summary has no column for them"),
        ({"report": "score", "originals": 1}, "originals: a number is neither true nor false"),
        ({"report": "score", "byWeek": True}, "byWeek: it is for the reports item-analysis"),
        ({"report": "score", "counted": "best"}, "counted: it is for the reports item-analysis"),
        ({"report": "item-analysis", "userId": "u1"}, "figures of many learners"),
        ({"report": "item-analysis", "since": "2024-02-01"}, "figures of all attempts"),
    ],
    ids=str,
)
def test_a_problem_is_a_sentence_that_says_what_to_do(config: dict[str, object], problem: str) -> None:
    assert any(problem in found for found in problems(**{"report": "score", "batchId": "b1"} | config)[:1])


def test_without_a_report_the_reports_are_listed() -> None:
    assert problems(batchId="b1") == (f"report: name one of {', '.join(Report)}",)


def test_a_pattern_matches_like_a_shell() -> None:
    spec = parse_report_spec({"report": "score", "batchPattern": "2024-*"})

    assert [batch for batch in ("2024-1", "2024-", "x2024-1", "2023-1") if spec.matches(batch)] == ["2024-1", "2024-"]


def test_an_analysis_has_its_own_options() -> None:
    for report, counted, by_week in product(ANALYSES, Counted, (False, True)):
        spec = parse_report_spec({"report": report, "batchId": "b1", "counted": counted, "byWeek": by_week})
        assert (spec.counted, spec.by_week) == (counted, by_week)


@given(st.dictionaries(st.sampled_from(NAMES), NONSENSE))
def test_any_configuration_is_a_value_or_sentences(config: dict[str, object]) -> None:
    found: tuple[str, ...] = ()
    try:
        spec = parse_report_spec(config)
    except BadReport as error:
        found = error.problems
    assert found or spec.batches or spec.batch_pattern
    assert all(len(problem) < 500 for problem in found)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3), st.lists(st.text(min_size=1), max_size=2))
def test_the_digest_identifies_the_value(batches: list[str], assessments: list[str]) -> None:
    config = {"report": "score", "batchFilter": batches, "assessments": assessments}

    one, same = parse_report_spec(config), parse_report_spec(config | {"batchFilter": batches[::-1]})

    assert one == same
    assert one.digest == same.digest
    assert one.digest != parse_report_spec(config | {"courseId": "c1"}).digest
