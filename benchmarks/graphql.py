"""GraphQL reads in one process, beside plain graphene over the same resolvers and the queries without GraphQL.

Plain graphene parses and validates the text of each query again, as its documentation shows it. Ours also checks size,
depth and cost.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import graphene

from assess_core.domain.access import LOCAL
from assess_core.domain.moments import DAY
from assess_core.usecases.queries import Queries
from benchmarks.data import NOW, events, fill_all, stores
from benchmarks.measure import Work, alone, median_of_calls
from benchmarks.row import LATENCY, Row, Side, Size, in_turn
from graphql_api.execution import Executed, execute, plan
from graphql_api.reading import Context
from graphql_api.schema import Query

_EVENTS: Final = 5_000
_READS: Final = 200
_SCORE: Final = """query($user: ID!, $assessment: ID!) {
  score(userId: $user, assessmentId: $assessment) {bestScore attemptsCount}
}"""
_ATTEMPTS: Final = """query($user: ID!) {
  attempts(userId: $user) {edges {node {attemptId totalScore totalMaxScore answers {questionId score title}}}}
}"""


@contextmanager
def _reads(name: str, text: str, home: Path) -> Iterator[Work]:
    opened = stores(home)
    queries = Queries(opened, DAY, lambda: NOW)
    user_id, learner = max(opened.hot.all_learners(), key=lambda found: (len(found[1].entries), found[0]))
    assessment = learner.entries[0].key.assessment_id
    variables = {"user": user_id, "assessment": assessment} if text == _SCORE else {"user": user_id}
    schema = graphene.Schema(query=Query)

    def ours() -> Any:
        planned = plan(text, variables, None)
        assert not isinstance(planned, Executed), planned
        return execute(queries, planned, LOCAL).body["data"]

    def peer() -> Any:
        return schema.execute(text, variable_values=variables, context_value=Context(queries, LOCAL)).data

    def limit() -> object:
        if text == _SCORE:
            return queries.score(user_id, assessment)
        return queries.attempts(user_id=user_id)

    assert ours() == peer()
    yield partial(median_of_calls, {"ours": ours, "peer": peer, "limit": limit}[name], _READS)


def graphql_rows(size: Size) -> list[Row]:
    """The score of a learner, and a page of 20 attempts with their answers."""
    found = []
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        fill_all(home, events(size.of(_EVENTS)))
        for row, text in (("graphql-score", _SCORE), ("graphql-attempts", _ATTEMPTS)):
            names = ("ours", "peer", "limit")
            runs = in_turn(size, {name: partial(alone, _reads, name, text, home) for name in names})
            ours, peer, limit = (
                Side(what, 1, runs[name])
                for name, what in zip(names, ("GraphQL", "plain graphene", "the query without GraphQL"), strict=True)
            )
            found.append(Row(row, LATENCY, ours, peer, limit, f"processor time is that of {_READS + 1} reads"))
    return found
