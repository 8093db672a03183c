"""The cost of a query is computed in bounded time before anything is read."""

import time
from typing import Any

import pytest

from graphql_api.cost import Reads
from graphql_api.execution import Executed, Planned, plan

PAGE = "edges { cursor node { attemptId totalScore answers { questionId score maxScore } } }"


def refused(query: str) -> Any:
    found = plan(query, None, None)
    assert isinstance(found, Executed)
    return found.body["errors"][0]


def repeated(field: str, times: int = 20) -> str:
    return " ".join(f"a{number}: {field}" for number in range(times))


def test_aliases_at_every_level_are_refused_in_bounded_time() -> None:
    query = f"""
        {{ attempts(userId: "u1", first: 1) {{ ...Connection }} }}
        fragment Connection on AttemptConnection {{ {repeated("edges { ...Edge }")} }}
        fragment Edge on AttemptEdge {{ {repeated("node { ...Node }")} }}
        fragment Node on Attempt {{ {repeated("answers { ...Response }")} }}
        fragment Response on Answer {{ {repeated("title")} }}"""

    started = time.process_time()  # of this process, because other tests use the processors too
    error = refused(query)
    assert time.process_time() - started < 1

    assert error["extensions"]["code"] == "TOO_EXPENSIVE"
    assert "ask for fewer fields or attempts" in error["message"]


def test_a_page_of_a_hundred_attempts_with_all_answers_is_allowed() -> None:
    assert isinstance(plan(f'{{ batch(batchId: "b1") {{ attempts(first: 100) {{ {PAGE} }} }} }}', None, None), Planned)


def test_only_fields_that_read_the_stores_cost_units() -> None:
    scores = repeated("score", 30)
    query = f'{{ attempts(userId: "u1", first: 1) {{ edges {{ node {{ answers {{ {scores} }} }} }} }} }}'

    assert isinstance(plan(query, None, None), Planned)


@pytest.mark.parametrize(
    ("learner", "variables", "reads"),
    [
        ('"u1"', None, Reads.ROWS),
        ("$u", {"u": "u1"}, Reads.ROWS),
        ("$u", {"u": None}, Reads.MANY_ROWS),
        ("$u", {}, Reads.MANY_ROWS),
        ("null", None, Reads.MANY_ROWS),
        ('""', None, Reads.MANY_ROWS),
    ],
)
def test_attempts_without_a_learner_run_in_the_lane_for_batches(
    learner: str, variables: dict[str, Any] | None, reads: Reads
) -> None:
    query = f'query Q($u: ID) {{ attempts(userId: {learner}, batchId: "b1") {{ edges {{ cursor }} }} }}'

    found = plan(query if "$u" in learner else query.replace("($u: ID)", ""), variables, None)

    assert isinstance(found, Planned)
    assert found.reads is reads


@pytest.mark.parametrize(
    ("fields", "reads"),
    [
        ("score", Reads.SCORES),
        ("score more: score __typename", Reads.SCORES),
        ("score attempts", Reads.ROWS),
        ("attempts score", Reads.ROWS),
        ("score batch", Reads.MANY_ROWS),
        ("reportRequests", Reads.ROWS),
    ],
)
def test_only_questions_about_scores_alone_run_in_the_lane_for_scores(fields: str, reads: Reads) -> None:
    texts = {
        "score": 'score(userId: "u1", assessmentId: "a1") { bestScore }',
        "more:": "more:",
        "attempts": 'attempts(userId: "u1") { edges { cursor } }',
        "batch": 'batch(batchId: "b1") { attemptsCount }',
        "reportRequests": 'reportRequests(tag: "t1") { requestId }',
    }

    found = plan(f"{{ {' '.join(texts.get(name, name) for name in fields.split())} }}", None, None)

    assert isinstance(found, Planned), found
    assert found.reads is reads
