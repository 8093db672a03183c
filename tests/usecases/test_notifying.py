"""Notices of finished requests: sent at least once, tried again, and with nothing in them that is not for everyone."""

import email
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from assess_core.adapters.files.exhausts import FolderExhausts
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.moments import DAY, MINUTE
from assess_core.domain.report_jobs import (
    BatchFile,
    Job,
    JobStatus,
    after_failure,
    cancelled,
    claimed,
    new_job,
    resubmitted,
    with_file,
    without_files,
)
from assess_core.domain.report_notices import MOST_TRIES, NoticeText
from assess_core.domain.report_queue import in_turn, require_room
from assess_core.errors import BadSettings
from assess_core.ports.notifying import Notifier, NotSent
from assess_core.settings import Settings
from assess_core.usecases.notifying import send_notices
from assess_core.usecases.report_work import Work
from assess_core.wiring.notify import open_notifier
from tests.api.issuer import certificate
from tests.receivers import Received, mail_receiver, web_receiver
from tests.report_requests import NOW, RULES, request
from tests.tls_proxy import tls_proxy

NOTIFYING = RULES._replace(notices=True)
NOTICE = NoticeText("R-1", "march é", "R", "SUCCESS", NOW)


class Sent:
    """Remembers notices; fails as often as a test says."""

    about = "a list"

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.notices: list[NoticeText] = []

    def send(self, notice: NoticeText) -> None:
        if self.failures:
            self.failures -= 1
            raise NotSent("no answer")
        self.notices.append(notice)


class Clock:
    now = NOW


def work_with(jobs: MemoryRequests, notifier: Notifier | None, clock: Clock) -> Work:
    def write(job: Job, batch_id: str, name: str) -> BatchFile:
        raise AssertionError

    return Work(jobs, FolderExhausts(Path("/proc/no-reports")), write, NOTIFYING, lambda: clock.now, notifier)


def running(jobs: MemoryRequests, *batches: str) -> Job:
    added = jobs.add(new_job(request(*batches), NOW))
    mine = claimed(added, "w1", NOW, NOTIFYING)
    assert mine is not None
    assert jobs.replace(added, mine)
    return mine


def succeeded(jobs: MemoryRequests) -> Job:
    mine = running(jobs)
    done = with_file(mine, BatchFile("b1", "f", 1, 1), NOW, NOTIFYING)
    assert jobs.replace(mine, done)
    return done


@pytest.fixture
def jobs() -> MemoryRequests:
    return MemoryRequests()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_finished_request_gives_one_notice(jobs: MemoryRequests, clock: Clock) -> None:
    job, to = succeeded(jobs), Sent()
    assert [after.id for after in send_notices(work_with(jobs, to, clock))] == [job.id]
    assert to.notices == [NoticeText(f"{job.id}-{NOW}", "t1", job.id, "SUCCESS", NOW + RULES.keep_files)]
    clock.now += DAY
    assert list(send_notices(work_with(jobs, to, clock))) == []
    assert jobs.queue() == []


def test_a_failed_request_gives_a_notice_and_a_waiting_or_cancelled_one_none(
    jobs: MemoryRequests, clock: Clock
) -> None:
    failing, waiting, stopped = running(jobs, "b1"), running(jobs, "b2"), running(jobs, "b3")
    assert jobs.replace(failing, after_failure(failing, "no", False, NOW, NOTIFYING))
    assert jobs.replace(waiting, after_failure(waiting, "later", True, NOW, NOTIFYING))
    assert jobs.replace(stopped, cancelled(stopped, NOW, NOTIFYING))
    to = Sent()
    list(send_notices(work_with(jobs, to, clock)))
    assert [(notice.request_id, notice.status, notice.files_until) for notice in to.notices] == [
        (failing.id, "FAILED", None)
    ]


def test_a_notice_that_fails_is_tried_again_after_growing_waits_and_given_up(
    jobs: MemoryRequests, clock: Clock
) -> None:
    job, to = succeeded(jobs), Sent(failures=100)
    tries = 0
    while clock.now < NOW + 8 * 60 * MINUTE:
        tries += len(list(send_notices(work_with(jobs, to, clock))))
        clock.now += MINUTE
    stored = jobs.get(job.request.tag, job.id)
    assert stored is not None
    assert stored.notice is not None
    assert (tries, stored.notice.due, stored.notice.problem) == (MOST_TRIES, None, "no answer")
    assert stored.status is JobStatus.SUCCESS
    assert jobs.queue() == []


def test_a_slow_receiver_of_many_notices_holds_no_report_up(jobs: MemoryRequests, clock: Clock) -> None:
    class Slow(Sent):
        def send(self, notice: NoticeText) -> None:
            clock.now += 4_000
            super().send(notice)

    for number in range(9):
        done = running(jobs, f"b{number}")
        assert jobs.replace(done, with_file(done, BatchFile(f"b{number}", "f", 1, 1), NOW, NOTIFYING))
    to = Slow()
    turns = []
    while found := list(send_notices(work_with(jobs, to, clock))):
        turns.append(len(found))
    assert turns == [3, 3, 3]


def test_a_worker_that_is_killed_while_it_sends_loses_no_notice(jobs: MemoryRequests, clock: Clock) -> None:
    succeeded(jobs)

    class Killed(Sent):
        def send(self, notice: NoticeText) -> None:
            super().send(notice)
            raise KeyboardInterrupt

    first, second = Killed(), Sent()
    with pytest.raises(KeyboardInterrupt):
        list(send_notices(work_with(jobs, first, clock)))
    assert list(send_notices(work_with(jobs, second, clock))) == []  # not before its wait is over
    clock.now += MINUTE
    list(send_notices(work_with(jobs, second, clock)))
    assert first.notices == second.notices != []  # twice, with the same id


def test_two_workers_do_not_send_the_same_notice(jobs: MemoryRequests, clock: Clock) -> None:
    succeeded(jobs)
    inner = Sent()

    class Racing(Sent):
        def send(self, notice: NoticeText) -> None:
            list(send_notices(work_with(jobs, inner, clock)))
            super().send(notice)

    outer = Racing()
    list(send_notices(work_with(jobs, outer, clock)))
    assert (len(outer.notices), inner.notices) == (1, [])


def test_a_request_that_is_submitted_again_gives_a_new_notice(jobs: MemoryRequests, clock: Clock) -> None:
    mine = running(jobs)
    failed = after_failure(mine, "no", False, NOW, NOTIFYING)
    again = resubmitted(failed, NOW + 1)
    assert (failed.notice is not None, again.notice) == (True, None)


def test_waiting_notices_take_no_turn_and_no_room_and_end_with_the_files(jobs: MemoryRequests, clock: Clock) -> None:
    job = succeeded(jobs)
    assert in_turn(jobs.queue(), {}, NOW, NOTIFYING) == []
    require_room(jobs.queue(), job.request.channel, NOTIFYING._replace(open_of_channel=1, open_of_all=1))
    assert claimed(job, "w2", NOW + DAY, NOTIFYING) is None
    assert without_files(job).ready_at is None


def opened(url: str) -> Notifier:
    found = open_notifier(Settings.from_env({"ASSESS_NOTIFY": url}))
    assert found is not None
    return found


def test_a_web_address_gets_json_without_data_of_the_report() -> None:
    with web_receiver() as received:
        received.statuses = [503]  # the next try, a moment later, is accepted
        to = opened(f"http://127.0.0.1:{received.port}/hook/SECRET?token=SECRET")
        to.send(NOTICE)
    assert json.loads(received.bodies[-1]) == {
        "id": "R-1",
        "tag": "march é",
        "requestId": "R",
        "status": "SUCCESS",
        "filesUntil": "2024-01-29T00:00:00.000Z",
    }
    assert (received.headers[-1]["idempotency-key"], len(received.bodies)) == ("R-1", 2)
    assert "SECRET" not in to.about


def test_a_mailbox_gets_a_message_without_data_of_the_report() -> None:
    with mail_receiver() as received:
        opened(f"smtp://127.0.0.1:{received.port}/?from=assess@example.org&to=board@example.org").send(NOTICE)
    message = email.message_from_bytes(received.bodies[0])
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert (message["To"], message["Subject"]) == ("board@example.org", "Report request R: SUCCESS")
    assert payload.decode().splitlines() == [
        "tag: march é",
        "request: R",
        "status: SUCCESS",
        "files: kept until 2024-01-29T00:00:00.000Z",
    ]


def _web(received: Received) -> str:
    return f"http://127.0.0.1:{received.port}/SECRET"


def _mail(received: Received) -> str:
    return f"smtp://user:SECRET@127.0.0.1:{received.port}/?from=a@b.c&to=d@e.f"


@pytest.mark.parametrize(("receiver", "url"), [(web_receiver, _web), (mail_receiver, _mail)])
def test_a_refusal_and_a_receiver_that_is_away_say_why_without_secrets(
    receiver: Callable[[], AbstractContextManager[Received]],
    url: Callable[[Received], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("http.webhook", "smtp.mail"):
        monkeypatch.setattr(f"assess_core.adapters.{module}._SECONDS", 0.3)
    with receiver() as received:
        received.statuses = [404] if receiver is web_receiver else [554]
        with pytest.raises(NotSent) as refused:
            opened(url(received)).send(NOTICE)
    with pytest.raises(NotSent, match="does not answer") as away:
        opened(url(received)).send(NOTICE)
    assert "SECRET" not in f"{refused.value} {away.value}"


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Puts TLS with a certificate for localhost in front of a server; gives its new address."""
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(tls_proxy(server, context)).replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("is_mail", [False, True])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    encrypted: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_mail: bool
) -> None:
    with mail_receiver() if is_mail else web_receiver() as received:
        where = encrypted(f"http://127.0.0.1:{received.port}")
        mailbox = f"{where.replace('https', 'smtps')}/?from=a@b.c&to=d@e.f"
        monkeypatch.setattr("assess_core.adapters.http.webhook._SECONDS", 0.3)
        with pytest.raises(NotSent, match="certificate"):
            opened(mailbox if is_mail else where).send(NOTICE)
        assert received.bodies == []

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        opened(mailbox if is_mail else where).send(NOTICE)
        assert len(received.bodies) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https://user:SECRET@example.org/",
        "ftp://SECRET",
        "smtp://user:SECRET@/?from=a@b.c&to=d@e.f",
        "smtp://user:SECRET@host/?from=a@b.c",
        f"smtp://host/?from=a@b.c&to={quote('d@e.f' + chr(10) + 'Bcc: SECRET@e.f')}",
        "smtps://host:SECRET/?from=a@b.c&to=d@e.f",
    ],
)
def test_another_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(BadSettings, match="ASSESS_NOTIFY") as refused:
        opened(url)
    assert "SECRET" not in str(refused.value)
