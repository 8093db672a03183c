"""A mentor whose batches are in a table of grants, and not in its token."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from assess_core.adapters.files.grants import FileGrants
from assess_core.ports.stores import Stores
from assess_core.usecases.granting import UNREADABLE, Granting
from tests.api.client import Http
from tests.api.issuer import bearer, guarded, token, trusting
from tests.factories import event
from tests.loop import take

READ: Final = "/v2/view/assess/read"


class Clock:
    now = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def http(stores: Stores, tmp_path: Path, clock: Clock) -> Iterator[Http]:
    take(stores, *(event(user="u1", course="c1", batch=batch) for batch in ("b1", "b2")))
    (tmp_path / "grants.csv").write_text("mentor,kind,id\nm1,batch,b1\n")
    granting = Granting(FileGrants(tmp_path / "grants.csv"), lambda _text: None, lambda: clock.now)
    with guarded(stores, trusting(tmp_path), granting=granting) as found:
        yield found


def statuses(http: Http, who: str) -> list[int]:
    headers = bearer(token(who, roles=["mentor"]))
    body = {"userId": "u1", "assessmentId": "a1"}
    rest = [http.post(READ, json={"request": {**body, "batchId": batch}}, headers=headers) for batch in ("b1", "b2")]
    query = '{ batch(batchId: "%s") { attemptsCount } }'
    asked = [http.post("/graphql", json={"query": query % batch}, headers=headers) for batch in ("b1", "b2")]
    return [answer.status_code for answer in [*rest, *asked]]


def test_a_mentor_reads_the_batches_that_the_table_grants_it(http: Http) -> None:
    assert statuses(http, "m1") == [200, 403, 200, 403]
    assert statuses(http, "m2") == [403, 403, 403, 403]


def test_an_unreadable_table_refuses_with_503_and_hides_where_it_is(http: Http, tmp_path: Path, clock: Clock) -> None:
    assert statuses(http, "m1") == [200, 403, 200, 403]
    (tmp_path / "grants.csv").write_text("mentor,kind\n")
    clock.now += 11
    headers = bearer(token("m1", roles=["mentor"]))
    asked = {"request": {"userId": "u1", "assessmentId": "a1", "batchId": "b1"}}

    answer = http.post(READ, json=asked, headers=headers)
    own = http.post(READ, json={"request": {"assessmentId": "a1"}}, headers=headers)
    graphql = http.post("/graphql", json={"query": '{ batch(batchId: "b1") { attemptsCount } }'}, headers=headers)

    assert (answer.status_code, answer.json()["params"]["errmsg"]) == (503, UNREADABLE)
    assert "retry-after" in answer.headers
    assert own.status_code == 200
    assert graphql.json()["errors"][0]["message"] == UNREADABLE
    assert "attemptsCount" not in graphql.text.replace('"batch"', "")
    assert str(tmp_path) not in answer.text + graphql.text
