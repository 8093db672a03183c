"""If a node hangs, the driver also sends the request to another node, so a request can have two responses."""

from typing import Any

import pytest
from cassandra.cluster import ResponseFuture

from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.domain.scores import derive
from assess_core.ports.facts import NoFacts
from assess_core.usecases.folding import Checks, fold
from tests.factories import accepted, event

USERS = [f"u{n}" for n in range(200)]


@pytest.fixture
def every_request_has_two_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulates two replicas that both respond: the driver calls back for each response."""
    once = ResponseFuture.add_callbacks

    def twice(future: ResponseFuture, *callbacks: Any) -> None:
        once(future, *callbacks)
        once(future, *callbacks)

    monkeypatch.setattr(ResponseFuture, "add_callbacks", twice)


@pytest.mark.usefixtures("every_request_has_two_responses")
def test_two_responses_to_a_request_count_once(cassandra_hot: CassandraHot) -> None:
    events = [accepted(event(user=user, attempt=f"t{n}"), offset=n) for n in range(3) for user in USERS]

    fold(events, cassandra_hot, Checks(NoFacts()))

    learners = cassandra_hot.learners(USERS)
    assert {user: len(learner.entries) for user, learner in learners.items()} == dict.fromkeys(USERS, 3)
    for learner in learners.values():
        assert learner.summaries == derive(learner.entries).summaries
        assert {summary.versions for summary in learner.summaries.values()} == {3}
