"""The dataset API: what Sunbird's clients send and get."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from assess_core.adapters.files.links import SignedLinks
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.events import decode
from assess_core.domain.moments import DAY, MINUTE
from assess_core.domain.report_jobs import Rules
from assess_core.errors import StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from assess_core.usecases.report_work import Work, delete_old_files, report_writer, work_one
from assess_core.usecases.requesting import Requesting
from graphql_api.app import create_app
from graphql_api.dataset import ReportRequests
from tests.api.client import Http, client
from tests.factories import MONDAY, event, record
from tests.loop import queries

ROOT = "/dataset/v1/request"
HEADERS = {"X-Channel-ID": "in.ekstep", "X-Authenticated-Userid": "mentor"}
SUBMIT: dict[str, Any] = {
    "tag": "do_1_b1",
    "requestedBy": "ignored, because the gateway names the user",
    "dataset": "response-exhaust",
    "datasetConfig": {"batchId": "b1"},
    "output_format": "csv",
}
RULES = Rules(open_of_channel=3)


class Clock:
    """The time that a test sets."""

    now = MONDAY


class Api:
    """A client of the dataset API, and a worker."""

    def __init__(self, http: Http, work: Work, clock: Clock) -> None:
        self.http, self.worker, self.clock = http, work, clock

    def submit(self, headers: dict[str, str] | None = None, **changed: Any) -> httpx.Response:
        asked = {"request": {**SUBMIT, **changed}}
        return self.http.post(f"{ROOT}/submit", json=asked, headers=HEADERS if headers is None else headers)

    def submitted(self, **changed: Any) -> dict[str, Any]:
        return result(self.submit(**changed))

    def read(self, id_: str, tag: str = "do_1_b1", **headers: str) -> httpx.Response:
        return self.http.get(f"{ROOT}/read/{tag}", params={"requestId": id_}, headers={**HEADERS, **headers})

    def search(self, **asked: Any) -> httpx.Response:
        return self.http.post(f"{ROOT}/search", json={"request": asked}, headers=HEADERS)

    def work(self) -> None:
        assert work_one(self.worker, "w1") is not None

    def download(self, url: str) -> httpx.Response:
        parts = urlsplit(url)
        return self.http.get(f"{parts.path}?{parts.query}")


@pytest.fixture
def api(stores: Stores, settings: Settings) -> Iterator[Api]:
    fold([decode(record(event()))], stores.hot, Checks(NoFacts()))
    clock, requests = Clock(), MemoryRequests()
    requesting = Requesting(requests, SignedLinks(settings.home), RULES, lambda: clock.now)
    intake = stores.log.intake()
    app = create_app(queries(stores), intake, requests=ReportRequests.of(requesting, stores.exhausts, ""))
    work = Work(requests, stores.exhausts, report_writer(stores), RULES, lambda: clock.now)
    with client(app) as http:
        yield Api(http, work, clock)
    intake.close()


def result(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["responseCode"], body["params"]["status"]) == ("OK", "successful"), answer.text
    found: dict[str, Any] = body["result"]
    return found


def refusal(answer: httpx.Response, status: int, code: str = "CLIENT_ERROR") -> str:
    body = answer.json()
    assert (answer.status_code, body["responseCode"], body["params"]["err"]) == (status, code, code), answer.text
    message: str = body["params"]["errmsg"]
    return message


def test_a_submitted_request_is_answered_as_sunbirds_clients_expect(api: Api) -> None:
    answer = api.submit()

    body = answer.json()
    assert [*body] == ["id", "ver", "ts", "params", "responseCode", "result"]
    assert (body["id"], body["ver"]) == ("ekstep.analytics.dataset.request.submit", "1.0")
    assert body["ts"].endswith("+00:00")
    found = result(answer)
    assert len(found.pop("requestId")) == 32
    assert found == {
        "tag": "do_1_b1:in.ekstep",
        "dataset": "response-exhaust",
        "requestedBy": "mentor",
        "requestedChannel": "in.ekstep",
        "status": "SUBMITTED",
        "lastUpdated": MONDAY,
        "datasetConfig": {"batchId": "b1"},
        "attempts": 0,
        "jobStats": {"dtJobSubmitted": MONDAY, "dtJobCompleted": None, "executionTime": None},
        "downloadUrls": [],
        "expiresAt": MONDAY + 30 * MINUTE,
        "statusMessage": None,
        "progress": 0,
    }


def test_a_finished_request_has_links_that_give_the_report(api: Api) -> None:
    id_ = api.submitted()["requestId"]
    api.work()

    found = result(api.read(id_))

    assert (found["status"], found["progress"], found["attempts"]) == ("SUCCESS", 100, 1)
    [url] = found["downloadUrls"]
    assert url.startswith("http://localhost/dataset/v1/request/download/response-exhaust/")
    file = api.download(url)
    assert file.status_code == 200
    assert file.text.startswith("Collection Id,")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert "b1_response_20240129.csv" in file.headers["content-disposition"]


def test_a_finished_request_for_pictures_has_links_to_them(api: Api) -> None:
    id_ = api.submitted(datasetConfig={"batchId": "b1", "pictures": ["svg"]})["requestId"]
    api.work()

    urls = result(api.read(id_))["downloadUrls"]

    assert [url.partition("?")[0].rpartition("b1_response_20240129.csv")[2] for url in urls] == [
        "", ".activity.svg", ".scores.svg", ".questions.svg"
    ]  # fmt: skip
    file = api.download(urls[1])
    assert file.text.startswith("<svg ")
    assert file.headers["content-type"] == "image/svg+xml"
    assert file.headers["content-disposition"].startswith("attachment;")


def test_the_same_request_gets_the_same_job_and_another_batch_another_one(api: Api) -> None:
    first, again = api.submitted(), api.submitted()
    other = api.submitted(datasetConfig={"batchId": "b2"})

    assert first["requestId"] == again["requestId"] != other["requestId"]


def test_a_failed_request_says_what_to_do_and_can_be_submitted_again(api: Api) -> None:
    id_ = api.submitted(datasetConfig={"batchId": "nope"})["requestId"]
    api.work()

    found = result(api.read(id_))
    assert (found["status"], found["downloadUrls"]) == ("FAILED", [])
    assert found["statusMessage"] == "no store knows batch 'nope'; `assess slices` lists the batches"
    assert api.submitted(datasetConfig={"batchId": "nope"})["status"] == "SUBMITTED"


def test_an_expired_link_gives_410_and_a_new_read_a_new_link(api: Api) -> None:
    id_ = api.submitted()["requestId"]
    api.work()
    [old] = result(api.read(id_))["downloadUrls"]
    api.clock.now += 30 * MINUTE

    assert "read the request again to get a new one" in refusal(api.download(old), 410)
    [new] = result(api.read(id_))["downloadUrls"]
    assert api.download(new).status_code == 200


def test_a_changed_link_gives_403(api: Api) -> None:
    id_ = api.submitted()["requestId"]
    api.work()
    [url] = result(api.read(id_))["downloadUrls"]

    assert "the link is not valid" in refusal(api.download(url.replace("b1_", "b2_")), 403, "FORBIDDEN")
    assert "the link is not valid" in refusal(api.download(url[:-1]), 403, "FORBIDDEN")


def test_a_deleted_report_says_that_the_request_must_be_submitted_again(api: Api) -> None:
    id_ = api.submitted()["requestId"]
    api.work()
    api.clock.now += 7 * DAY
    [url] = result(api.read(id_))["downloadUrls"]
    assert len(list(delete_old_files(api.worker))) == 1

    assert "submit its request again" in refusal(api.download(url), 410)
    found = result(api.read(id_))
    assert found["downloadUrls"] == []
    assert "submit the request again" in found["statusMessage"]


def test_an_unknown_request_is_answered_as_sunbird_does(api: Api) -> None:
    answer = api.read("nope")

    body = answer.json()
    assert (answer.status_code, body["responseCode"], body["result"]) == (200, "OK", {})
    assert body["params"]["status"] == "failed"
    assert body["params"]["errmsg"] == "no job available with the given request_id and tag"


def test_another_channel_reads_lists_and_finds_nothing(api: Api) -> None:
    id_ = api.submitted()["requestId"]

    assert api.read(id_, **{"X-Channel-ID": "other"}).json()["params"]["status"] == "failed"
    listed = api.http.get(f"{ROOT}/list/do_1_b1", headers={"X-Channel-ID": "other"})
    assert result(listed) == {"count": 0, "jobs": []}
    message = refusal(api.search(filters={"channel": "other"}), 403, "FORBIDDEN")
    assert message == "filters.channel is not the channel of this request; leave it out"


def test_a_tag_with_the_beginning_of_another_channel_does_not_open_it(api: Api) -> None:
    whole, part = ({**HEADERS, "X-Channel-ID": channel} for channel in ("tenant:ekstep", "ekstep"))
    id_ = result(api.submit(whole))["requestId"]

    assert api.read(id_, "do_1_b1:tenant", **part).json()["params"]["status"] == "failed"
    assert result(api.http.get(f"{ROOT}/list/do_1_b1:tenant", headers=part))["count"] == 0
    cancelled = api.http.post(f"{ROOT}/cancel/do_1_b1:tenant", params={"requestId": id_}, headers=part)
    assert cancelled.json()["params"]["status"] == "failed"
    assert api.read(id_, **whole).json()["result"]["status"] == "SUBMITTED"


def test_a_tag_lists_its_requests_newest_first(api: Api) -> None:
    first = api.submitted()
    api.clock.now += 1
    second = api.submitted(datasetConfig={"batchId": "b2"})
    api.submitted(tag="other")

    listed = result(api.http.get(f"{ROOT}/list/do_1_b1", headers=HEADERS))
    assert listed["count"] == 2
    assert [job["requestId"] for job in listed["jobs"]] == [second["requestId"], first["requestId"]]
    limited = result(api.http.get(f"{ROOT}/list/do_1_b1", params={"limit": "1"}, headers=HEADERS))
    assert [job["requestId"] for job in limited["jobs"]] == [second["requestId"]]


def test_a_search_finds_by_dataset_status_and_date(api: Api) -> None:
    done = api.submitted()
    api.clock.now += 1
    waiting = api.submitted(dataset="score-exhaust")
    api.work()

    def found(**filters: str) -> list[str]:
        return [job["requestId"] for job in result(api.search(filters=filters, limit=10))["jobs"]]

    assert found(status="SUCCESS") == [done["requestId"]]
    assert found(dataset="score-exhaust", channel="in.ekstep") == [waiting["requestId"]]
    assert set(found(requestedDate="2024-01-29")) == {done["requestId"], waiting["requestId"]}
    assert found(requestedDate="2024-01-28") == found(requestedDate="2024-01-30") == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"filters": {"status": "DONE"}}, "filters.status is unknown; write one of SUBMITTED"),
        ({"filters": {"requestedDate": "today"}}, "filters.requestedDate is not a date"),
        ({"filters": {"nope": 1}}, "filters.nope is unknown"),
        ({"filters": []}, None),
        ({"filters": "x"}, "filters is not an object"),
        ({"limit": 0}, "limit 0 is not from 1 to 100"),
        ({"limit": "many"}, "limit is not a number"),
    ],
    ids=str,
)
def test_a_wrong_search_is_refused(api: Api, asked: dict[str, Any], message: str | None) -> None:
    answer = api.search(**asked)
    if message is None:
        assert result(answer)["count"] == 0
    else:
        assert message in refusal(answer, 400)


def test_an_open_request_is_cancelled_and_a_finished_one_is_not(api: Api) -> None:
    id_ = api.submitted()["requestId"]
    where, asked = f"{ROOT}/cancel/do_1_b1", {"requestId": id_}

    found = result(api.http.post(where, params=asked, headers=HEADERS))
    assert found["status"] == "FAILED"
    assert "was cancelled" in found["statusMessage"]
    api.submitted()
    api.work()
    assert "is finished" in refusal(api.http.post(where, params=asked, headers=HEADERS), 409)


def test_a_request_without_a_channel_is_refused(api: Api) -> None:
    assert "X-Channel-ID is empty" in refusal(api.submit(headers={}), 400)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tag": ""}, "tag is empty"),
        ({"dataset": "nope"}, "dataset 'nope' is unknown"),
        ({"datasetConfig": {}}, "name a batch"),
        ({"datasetConfig": {"batchFilter": [str(n) for n in range(30)]}}, "It should be within 20"),
    ],
)
def test_a_wrong_submit_is_refused_with_a_sentence(api: Api, changed: dict[str, Any], message: str) -> None:
    assert message in refusal(api.submit(**changed), 400)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"request": 1}', b'{"request": null}', b"[" * 500])
def test_a_body_that_is_no_request_is_refused(api: Api, body: bytes) -> None:
    headers = {**HEADERS, "content-type": "application/json"}
    refusal(api.http.post(f"{ROOT}/submit", content=body, headers=headers), 400)


def test_a_channel_with_too_many_open_requests_must_wait(api: Api) -> None:
    for n in range(3):
        api.submitted(datasetConfig={"batchId": f"b{n}"})

    answer = api.submit(datasetConfig={"batchId": "one too many"})

    assert "channel in.ekstep has 3 open requests" in refusal(answer, 429)
    assert "retry-after" in answer.headers


def test_a_store_that_does_not_answer_gives_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("Cassandra does not answer")

    monkeypatch.setattr(MemoryRequests, "get", away)
    refusal(api.submit(), 503, "SERVER_ERROR")


def test_the_secret_of_the_links_is_private(api: Api, settings: Settings) -> None:
    id_ = api.submitted()["requestId"]
    api.work()
    result(api.read(id_))

    assert oct((settings.home / "link-secret").stat().st_mode & 0o777) == "0o600"
    assert not list(settings.home.glob(".link-secret*"))


def test_a_tag_with_slashes_and_other_characters_is_found(api: Api, tmp_path: Path) -> None:
    id_ = api.submitted(tag="a/b c%2F é")["requestId"]
    assert result(api.read(id_, tag="a/b c%252F é"))["requestId"] == id_


# --- GraphQL ---

FIELDS = "{ requestId tag status progress tries message downloadUrls channel requester dataset config }"


def graphql(api: Api, query: str, **headers: str) -> dict[str, Any]:
    answer = api.http.post("/graphql", json={"query": query}, headers={**HEADERS, **headers})
    found: dict[str, Any] = answer.json()
    return found


def test_graphql_submits_reads_lists_and_cancels(api: Api) -> None:
    config = '"{\\"batchId\\": \\"b1\\"}"'
    submit = f'mutation {{ submitReportRequest(tag: "t", dataset: "score-exhaust", config: {config}) {FIELDS} }}'
    found = graphql(api, submit)["data"]["submitReportRequest"]
    assert (found["status"], found["tag"], found["requester"]) == ("SUBMITTED", "t", "mentor")
    api.work()

    one = graphql(api, f'{{ reportRequest(tag: "t", requestId: "{found["requestId"]}") {FIELDS} }}')
    listed = graphql(api, f"{{ reportRequests(status: SUCCESS) {FIELDS} }}")

    assert one["data"]["reportRequest"]["status"] == "SUCCESS"
    assert [each["requestId"] for each in listed["data"]["reportRequests"]] == [found["requestId"]]
    assert api.download(one["data"]["reportRequest"]["downloadUrls"][0]).status_code == 200
    cancel = f'mutation {{ cancelReportRequest(tag: "t", requestId: "{found["requestId"]}") {FIELDS} }}'
    assert "is finished" in graphql(api, cancel)["errors"][0]["message"]


def test_graphql_needs_a_channel_and_names_a_wrong_config(api: Api) -> None:
    submit = 'mutation { submitReportRequest(tag: "t", dataset: "score-exhaust", config: "[1]") { status } }'

    assert "config is not a JSON object" in graphql(api, submit)["errors"][0]["message"]
    answer = api.http.post("/graphql", json={"query": "{ reportRequests { status } }"})
    assert "X-Channel-ID is empty" in answer.json()["errors"][0]["message"]


def test_a_mutation_by_get_is_refused(api: Api) -> None:
    query = 'mutation { cancelReportRequest(tag: "t", requestId: "x") { status } }'
    answer = api.http.get("/graphql", params={"query": query}, headers=HEADERS)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("tag", ["%0A", "%0At", "t%0A", "a%0Ab"])
def test_a_tag_with_a_line_feed_is_refused_and_not_an_unknown_path(api: Api, tag: str) -> None:
    refusal(api.http.get(f"{ROOT}/list/{tag}", headers=HEADERS), 400)
