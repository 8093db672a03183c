"""A mentor's requests for reports: only its own, and only of the batches and courses that its token grants."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from assess_core.adapters.files.links import SignedLinks
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.report_jobs import JobStatus, Rules
from assess_core.ports.stores import Stores
from assess_core.usecases.report_work import Work, report_writer, work_one
from assess_core.usecases.requesting import Requesting
from graphql_api.dataset import ReportRequests
from tests.api.client import Http
from tests.api.issuer import bearer, guarded, token, trusting
from tests.factories import MONDAY, event
from tests.loop import take

ROOT: Final = "/dataset/v1/request"
RULES: Final = Rules()
UNKNOWN: Final = "no job available with the given request_id and tag"


class Mentors:
    """Clients of the dataset API with the tokens of mentors, and a worker."""

    def __init__(self, http: Http, work: Work, jobs: MemoryRequests) -> None:
        self._http, self._work, self.jobs = http, work, jobs

    def ask(self, who: str, method: str, path: str, **sent: Any) -> httpx.Response:
        name, *grants = who.split()
        claims: dict[str, Any] = {
            "roles": ["mentor"],
            "batches": [grant for grant in grants if grant.startswith("b")],
            "courses": [grant for grant in grants if grant.startswith("c")],
            "channel": next((grant.removeprefix("@") for grant in grants if grant.startswith("@")), ...),
        }
        headers = {**bearer(token(name, **claims)), "x-channel-id": "forged", "x-authenticated-userid": "forged"}
        return self._http.request(method, path, headers=headers, **sent)

    def submit(self, who: str, dataset: str = "score-exhaust", **config: Any) -> httpx.Response:
        asked = {"tag": "t", "dataset": dataset, "datasetConfig": config, "requestedBy": "forged"}
        return self.ask(who, "POST", f"{ROOT}/submit", json={"request": asked})

    def submitted(self, who: str, **config: Any) -> dict[str, Any]:
        answer = self.submit(who, **config)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["result"]
        return found

    def read(self, who: str, id_: str) -> Any:
        return self.ask(who, "GET", f"{ROOT}/read/t?requestId={id_}").json()

    def cancel(self, who: str, id_: str) -> Any:
        return self.ask(who, "POST", f"{ROOT}/cancel/t?requestId={id_}").json()

    def listed(self, who: str) -> list[set[str]]:
        answers = [
            self.ask(who, "GET", f"{ROOT}/list/t").json(),
            self.ask(who, "POST", f"{ROOT}/search", json={"request": {"filters": {}}}).json(),
        ]
        asked = ("{ reportRequests { requestId } }", '{ reportRequests(tag: "t") { requestId } }')
        data = [self.graphql(who, query).json()["data"]["reportRequests"] for query in asked]
        found = [*(answer["result"]["jobs"] for answer in answers), *data]
        return [{job["requestId"] for job in jobs} for jobs in found]

    def graphql(self, who: str, query: str) -> httpx.Response:
        return self.ask(who, "POST", "/graphql", json={"query": query})

    def work(self) -> None:
        while work_one(self._work, "w1") is not None:
            pass

    def file(self, url: str) -> httpx.Response:
        parts = urlsplit(url)
        return self._http.get(f"{parts.path}?{parts.query}")


@pytest.fixture
def api(stores: Stores, tmp_path: Path) -> Iterator[Mentors]:
    take(stores, *(event(user=f"u{n}", course=f"c{n}", batch=f"b{n}") for n in (1, 2)))
    jobs = MemoryRequests()
    requesting = Requesting(jobs, SignedLinks(tmp_path), RULES, lambda: MONDAY)
    work = Work(jobs, stores.exhausts, report_writer(stores), RULES, lambda: MONDAY)
    with guarded(stores, trusting(tmp_path), ReportRequests.of(requesting, stores.exhausts, "")) as http:
        yield Mentors(http, work, jobs)


def test_a_mentor_requests_a_report_of_a_granted_batch_and_downloads_it(api: Mentors) -> None:
    asked = api.submitted("m1 b1", batchId="b1")
    api.work()

    found = api.read("m1 b1", asked["requestId"])["result"]

    assert (found["requestedBy"], found["requestedChannel"], found["status"]) == ("m1", "mentor:m1", "SUCCESS")
    [url] = found["downloadUrls"]
    assert api.file(url).text.count("\n") == 2


@pytest.mark.parametrize(
    "config",
    [
        {"batchId": "b2"},
        {"batchFilter": ["b1", "b2"]},
        {"batchId": "b1", "batchFilter": ["b2"]},
        {"batchId": "b2", "courseId": "c2"},
        {"batchId": "B1"},
    ],
)
def test_a_request_that_would_read_another_batch_is_refused_whole(api: Mentors, config: dict[str, Any]) -> None:
    answer = api.submit("m1 b1 c1", **config)

    assert answer.status_code == 403
    assert "does not grant the report of batch" in answer.json()["params"]["errmsg"]
    assert api.jobs.queue() == []


@pytest.mark.parametrize("config", [{"batchPattern": "*"}, {"searchFilter": {}}, {"batchPattern": "b1"}])
def test_batches_that_are_not_named_cannot_be_requested(api: Mentors, config: dict[str, Any]) -> None:
    assert api.submit("m1 b1", **config).status_code == 400
    assert api.jobs.queue() == []


def test_a_mentor_of_a_course_gets_the_rows_of_this_course_in_any_batch(api: Mentors) -> None:
    ids = [api.submitted("m1 c1", batchId=batch, courseId="c1")["requestId"] for batch in ("b1", "b2")]
    api.work()

    own, other = (api.read("m1 c1", id_)["result"] for id_ in ids)

    assert api.file(own["downloadUrls"][0]).text.count("\n") == 2
    assert (other["status"], other["downloadUrls"]) == ("FAILED", [])  # batch b2 has no row of course c1
    assert api.submit("m1 c1", batchId="b1").status_code == 403  # it could have rows of other courses


def test_two_mentors_of_a_batch_and_a_channel_never_see_each_others_requests(api: Mentors) -> None:
    own = api.submitted("m1 b1 @school", batchId="b1")["requestId"]
    other = api.submitted("m2 b1 @school", batchId="b1")["requestId"]

    assert own != other
    assert api.read("m2 b1 @school", own)["params"]["errmsg"] == UNKNOWN
    assert api.cancel("m2 b1 @school", own)["params"]["errmsg"] == UNKNOWN
    query = f'{{ reportRequest(tag: "t", requestId: "{own}") {{ requestId }} }}'
    assert UNKNOWN in api.graphql("m2 b1 @school", query).text
    mutation = f'mutation {{ cancelReportRequest(tag: "t", requestId: "{own}") {{ requestId }} }}'
    assert UNKNOWN in api.graphql("m2 b1 @school", mutation).text
    assert api.listed("m1 b1 @school") == [{own}] * 4
    assert api.listed("m2 b1 @school") == [{other}] * 4
    stored = api.jobs.get("t:school", own)
    assert stored is not None
    assert stored.status is JobStatus.SUBMITTED


def test_a_mentor_cancels_its_own_request(api: Mentors) -> None:
    own = api.submitted("m1 b1", batchId="b1")["requestId"]
    assert api.cancel("m1 b1", own)["result"]["statusMessage"].startswith("the request was cancelled")


def test_a_mentor_submits_by_graphql_only_what_its_token_grants(api: Mentors) -> None:
    def submit(batch: str) -> httpx.Response:
        return api.graphql(
            "m1 b1",
            'mutation { submitReportRequest(tag: "t", dataset: "score-exhaust", '
            f'config: "{{\\"batchId\\": \\"{batch}\\"}}") {{ requester channel }} }}',
        )

    assert submit("b1").json()["data"]["submitReportRequest"] == {"requester": "m1", "channel": "mentor:m1"}
    assert submit("b2").status_code == 403
    assert len(api.jobs.queue()) == 1


def test_a_grant_that_ended_hides_the_links_of_finished_requests(api: Mentors) -> None:
    id_ = api.submitted("m1 b1", batchId="b1")["requestId"]
    api.work()

    found = api.read("m1 b2", id_)["result"]

    assert (found["status"], found["downloadUrls"]) == ("SUCCESS", [])
    assert found["statusMessage"].startswith("this token does not grant the report of batch 'b1'")
    query = f'{{ reportRequest(tag: "t", requestId: "{id_}") {{ downloadUrls message }} }}'
    shown = api.graphql("m1 b2", query).json()["data"]["reportRequest"]
    assert (shown["downloadUrls"], shown["message"]) == ([], found["statusMessage"])
