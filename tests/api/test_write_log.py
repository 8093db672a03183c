"""A 200 means that the log has the attempt. Tested with killed servers, and with a log that is full, slow or down."""

import json
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from assess_core.adapters.files import intake as folder_intake
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import Record, decode
from assess_core.errors import BadRequest, StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.ports.log import Message
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from graphql_api import write
from graphql_api.app import create_app
from graphql_api.hosts import is_loopback
from tests.api.client import PATIENCE, Http, api, client
from tests.api.writes import STATE, VIEW, item, logged, request_body
from tests.factories import text
from tests.forked import run_forked
from tests.loop import queries
from tests.servers import Instance


def send(http: "httpx.Client | Http", *items: object) -> httpx.Response:
    return http.patch(
        STATE, content=text(request_body(assessments=items)), headers={"content-type": "application/json"}
    )


def fold_values(values: Sequence[bytes], received: int | None = None) -> int:
    """The number of versions that a fold of these messages stores."""
    records = [Record("log", 0, n, value, received) for n, value in enumerate(values, 1)]
    return fold([decode(record) for record in records], MemoryHot(1), Checks(NoFacts())).stored


# --- the folder ---


def test_acknowledged_attempts_are_in_the_folder_after_the_server_is_killed(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with api(tmp_path) as (process, http):
        limits = httpx.Limits(max_connections=8)
        with httpx.Client(base_url=http.base_url, trust_env=False, timeout=PATIENCE, limits=limits) as several:

            def submit(n: int) -> None:
                try:
                    answer = send(several, item(attemptId=str(n)))
                except httpx.HTTPError:
                    return
                assert answer.status_code == 200
                acknowledged.append(str(n))
                if len(acknowledged) == 60:
                    process.send_signal(signal.SIGKILL)

            with ThreadPoolExecutor(8) as threads:
                list(threads.map(submit, range(200)))
        assert process.wait(PATIENCE) == -signal.SIGKILL

    assert 60 <= len(acknowledged) < 200
    found = [json.loads(value)["attemptId"] for value in _whole_lines(tmp_path / "log")]
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))


def _whole_lines(log: Path) -> list[bytes]:
    folder_intake.FolderIntake(log, lambda: 0).close()  # as the next server does
    return logged(log)


@pytest.mark.long
def test_the_next_server_writes_into_a_new_file(tmp_path: Path) -> None:
    for n in range(2):
        with api(tmp_path) as (process, http):
            assert send(http, item(attemptId=str(n))).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
    assert [json.loads(value)["attemptId"] for value in logged(tmp_path / "log")] == ["0", "1"]
    assert len(list((tmp_path / "log").iterdir())) == 2


def test_a_written_attempt_can_be_read_after_its_ingestion(tmp_path: Path) -> None:
    with api(tmp_path) as (_, http):
        assert send(http, item()).status_code == 200
        body = {"request": {"userId": "u1", "assessmentId": "do_789"}}
        assert http.post("/v2/view/assess/read", json=body).json()["result"] == {}
        ingest = ["-m", "assess_cli", "--home", str(tmp_path), "ingest", str(tmp_path / "log")]
        run_forked(ingest).check_returncode()
        result = http.post("/v2/view/assess/read", json=body).json()["result"]
    assert (result["batchId"], result["attemptsCount"], result["bestScore"]) == ("0123", 1, 1.0)


def test_a_full_log_gives_429_and_accepts_the_retry(
    http: Http, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_intake, "MOST_WAITING", 100)
    for answer in (send(http, item()), http.post(VIEW, json=request_body(**item()))):
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        assert answer.json()["responseCode"] == "CLIENT_ERROR"
        assert "in some seconds" in answer.json()["params"]["errmsg"]
    assert logged(Path(settings.log)) == []
    monkeypatch.undo()
    assert send(http, item()).status_code == 200


def test_a_log_that_cannot_be_written_gives_503_without_internal_details(http: Http, settings: Settings) -> None:
    log = Path(settings.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("a file")
    for answer in (send(http, item()), http.post(VIEW, json=request_body(**item()))):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["responseCode"] == "SERVER_ERROR"
        assert answer.json()["params"]["errmsg"] == "the request may not have been stored; send it again"
    log.unlink()
    assert send(http, item()).status_code == 200
    assert logged(log) == [text(item())]


class Held:
    """An intake that acknowledges only when the test completes its futures."""

    def __init__(self) -> None:
        self.waiting: list[Future[None]] = []
        self.appended = threading.Semaphore(0)

    def append(self, messages: Sequence[Message]) -> "Future[None]":
        self.waiting.append(Future())
        self.waiting[-1].set_running_or_notify_cancel()
        self.appended.release()
        return self.waiting[-1]

    def close(self) -> None:
        """Nothing needs to be closed."""


def test_nothing_is_acknowledged_before_the_log_has_it(stores: Stores) -> None:
    held = Held()
    with client(create_app(queries(stores), held)) as http, ThreadPoolExecutor(1) as thread:
        answer = thread.submit(send, http, item())
        assert held.appended.acquire(timeout=PATIENCE)
        assert http.get("/health").status_code == 200  # other requests are not blocked
        assert not answer.done()
        held.waiting[0].set_result(None)
        assert answer.result(PATIENCE).status_code == 200


def test_a_log_that_does_not_answer_gives_503(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(write, "PATIENCE", 0.05)
    held = Held()
    with client(create_app(queries(stores), held)) as http:
        assert send(http, item()).status_code == 503
        held.waiting[0].set_result(None)  # a late acknowledgement is ignored
        assert http.get("/health").status_code == 200
    assert "the log does not answer" in caplog.text


def test_an_assessment_that_the_log_never_accepts_gives_400(stores: Stores) -> None:
    held = Held()
    with client(create_app(queries(stores), held)) as http, ThreadPoolExecutor(1) as thread:
        answer = thread.submit(send, http, item())
        assert held.appended.acquire(timeout=PATIENCE)
        held.waiting[0].set_exception(BadRequest("larger than the topic accepts"))
        assert answer.result(PATIENCE).status_code == 400
        assert "retry-after" not in answer.result().headers


def test_a_running_server_uses_changed_facts(tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text('{"batches": {"0123": {"courseId": "do_123", "status": 2}}}')
    with api(tmp_path, ASSESS_FACTS=str(facts)) as (process, http):
        assert send(http, item()).json()["result"]["NOT_A_ON_GOING_BATCH"] == ["0123"]
        facts.write_text('{"batches": {"0123": {"courseId": "do_123", "status": 1, "name": "again"}}}')
        assert send(http, item()).json()["result"]["0123"] == "SUCCESS"
        facts.write_text("{")
        assert send(http, item()).json()["result"]["0123"] == "SUCCESS"
        assert process.stderr is not None
        assert "until then the previous facts are used" in process.stderr.readline()
    assert logged(tmp_path / "log") == [text(item())] * 2


def test_facts_that_cannot_be_read_give_503(stores: Stores) -> None:
    class Away(NoFacts):
        def batch(self, course_id: str, batch_id: str) -> None:
            raise StoreUnavailable("Cassandra does not answer; start it")

    held = Held()
    with client(create_app(queries(stores), held, Away())) as http:
        for answer in (send(http, item()), http.post(VIEW, json=request_body(**item()))):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert held.waiting == []


# --- the listening address ---


def test_by_default_the_server_listens_to_this_machine_only_and_prints_no_warning(tmp_path: Path) -> None:
    with api(tmp_path) as (process, _):
        listening = [each.laddr.ip for each in psutil.Process(process.pid).net_connections() if each.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_loopback_addresses_are_distinguished_from_others() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))


# --- Kafka ---


def test_with_kafka_too_a_200_means_that_the_log_has_the_attempt(killed_kafka: Instance, tmp_path: Path) -> None:
    from tests.kafka_topics import create_topic, records

    brokers, topic = killed_kafka.env["ASSESS_LOG"].split("/")[2], f"write-{uuid4()}"
    create_topic(brokers, topic)
    with api(tmp_path, ASSESS_LOG=f"kafka://{brokers}/{topic}?group=g") as (process, http):
        for n in range(20):
            assert send(http, item(attemptId=str(n)), item(attemptId=f"{n}b")).status_code == 200

        killed_kafka.pause("kafka")
        started = time.monotonic()
        answer = send(http, item(attemptId="while"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert time.monotonic() - started < write.PATIENCE + 5
        killed_kafka.resume("kafka")
        assert send(http, item(attemptId="while")).status_code == 200

        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    found = records(brokers, topic)
    assert {record.key for record in found} == {b"u1"}
    assert {json.loads(record.value)["attemptId"] for record in found} == {
        "while",
        *(f"{n}{b}" for n in range(20) for b in ("", "b")),
    }
    assert fold_values([record.value for record in found], found[0].at) == 41  # an attempt sent twice counts once
