"""Requests for encrypted files: the password opens the file, and is stored only as long as the request is open."""

import io
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
import pyzipper

from assess_core.adapters.files.links import SignedLinks
from assess_core.adapters.sqlite.report_requests import SqliteRequests
from assess_core.domain.report_jobs import Job, JobStatus, Rules
from assess_core.ports.stores import Stores
from assess_core.usecases.report_work import Work, report_writer, work_one
from assess_core.usecases.requesting import Requesting
from graphql_api.app import create_app
from graphql_api.dataset import ReportRequests
from tests.api.client import Http, client
from tests.factories import MONDAY, event
from tests.loop import queries, take

ROOT: Final = "/dataset/v1/request"
HEADERS: Final = {"X-Channel-ID": "in.ekstep", "X-Authenticated-Userid": "mentor"}
KEY: Final = "Tr0ub4dor&3 horse"
OTHER: Final = "correct battery 7"


class Api:
    """A client, a worker, and the SQLite file in which the requests are."""

    def __init__(self, http: Http, work: Work, file: Path) -> None:
        self.http, self._work, self.file = http, work, file

    def submit(self, key: str | None = KEY, **more: Any) -> httpx.Response:
        asked = {"tag": "t", "dataset": "score-exhaust", "datasetConfig": {"batchId": "b1"}, "output_format": "csv"}
        keyed = asked if key is None else {**asked, "encryptionKey": key}
        return self.http.post(f"{ROOT}/submit", json={"request": {**keyed, **more}}, headers=HEADERS)

    def read(self, id_: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"{ROOT}/read/t?requestId={id_}", headers=HEADERS).json()["result"]
        return found

    def work(self) -> Job:
        job = work_one(self._work, "w1")
        assert job is not None
        return job

    def stored(self) -> bytes:
        with closing(sqlite3.connect(self.file)) as connection:
            return repr(connection.execute("SELECT * FROM report_requests").fetchall()).encode()


@pytest.fixture
def api(stores: Stores, tmp_path: Path) -> Iterator[Api]:
    take(stores, event())
    file = tmp_path / "requests.sqlite"
    requests = SqliteRequests(f"sqlite:///{file}")
    requesting = Requesting(requests, SignedLinks(tmp_path), Rules(), lambda: MONDAY)
    intake = stores.log.intake()
    app = create_app(queries(stores), intake, requests=ReportRequests.of(requesting, stores.exhausts, ""))
    with client(app) as http:
        yield Api(http, Work(requests, stores.exhausts, report_writer(stores), Rules(), lambda: MONDAY), file)
    intake.close()


def test_the_file_opens_with_the_password_and_with_no_other(api: Api) -> None:
    asked = api.submit().json()["result"]
    assert api.work().status is JobStatus.SUCCESS
    [url] = api.read(asked["requestId"])["downloadUrls"]
    parts = urlsplit(url)
    assert parts.path.endswith(".zip")
    content = api.http.get(f"{parts.path}?{parts.query}").content
    with pyzipper.AESZipFile(io.BytesIO(content)) as file:
        [name] = file.namelist()
        with pytest.raises(RuntimeError):
            file.read(name)
        with pytest.raises(RuntimeError):
            file.read(name, pwd=OTHER.encode())
        assert file.read(name, pwd=KEY.encode()).count(b"\n") == 2


def test_the_password_is_stored_while_the_request_is_open_and_never_shown_or_logged(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = api.submit()
    assert KEY.encode() in api.stored()
    shown = [answer.text, api.http.get(f"{ROOT}/list/t", headers=HEADERS).text]
    job = api.work()
    assert KEY.encode() not in api.stored()
    shown += [repr(job), str(api.read(job.id)), caplog.text]
    assert not [text for text in shown if KEY in text]


def test_a_request_with_another_password_is_refused_and_without_one_is_another_request(api: Api) -> None:
    first = api.submit().json()["result"]["requestId"]
    assert api.submit().json()["result"]["requestId"] == first
    assert api.submit(OTHER).status_code == 409
    api.work()
    assert api.submit().json()["result"]["requestId"] == first
    refused = api.submit(OTHER)
    assert (refused.status_code, KEY in refused.text, OTHER in refused.text) == (409, False, False)
    assert api.submit(None).json()["result"]["requestId"] != first


def test_a_cancelled_request_forgets_its_password_and_takes_a_new_one(api: Api) -> None:
    id_ = api.submit().json()["result"]["requestId"]
    api.http.post(f"{ROOT}/cancel/t?requestId={id_}", headers=HEADERS)
    assert KEY.encode() not in api.stored()
    assert api.submit(OTHER).json()["result"]["requestId"] == id_
    assert api.work().status is JobStatus.SUCCESS


def test_a_page_cannot_be_encrypted_and_graphql_takes_a_key_too(api: Api) -> None:
    assert api.submit(dataset="overview-exhaust").status_code == 400
    query = """mutation ($key: String) { submitReportRequest(tag: "t", dataset: "score-exhaust",
        config: "{\\"batchId\\": \\"b1\\"}", encryptionKey: $key) { requestId } }"""
    body = {"query": query, "variables": {"key": KEY}}
    found = api.http.post("/graphql", json=body, headers=HEADERS).json()["data"]["submitReportRequest"]
    assert found["requestId"] == api.submit().json()["result"]["requestId"]
