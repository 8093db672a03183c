"""Workers of requests: what they publish, and what happens if something goes wrong."""

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from assess_core.adapters.files.exhausts import FolderExhausts
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.events import decode
from assess_core.domain.moments import DAY
from assess_core.domain.report_formats import ImageFormat
from assess_core.domain.report_jobs import BatchFile, Job, JobStatus, Rules, cancelled, claimed, new_job
from assess_core.domain.report_spec import Naming
from assess_core.errors import DeadlineExceeded, ReportFailed, StoreUnavailable, UnknownBatch
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from assess_core.usecases.report_work import Work, delete_old_files, report_writer, work_one
from assess_core.wiring.names import open_names
from tests.factories import event, record
from tests.report_requests import NOW, RULES, request


class Clock:
    """The time that a test sets."""

    now = NOW


class Writer:
    """Writes a short file for each batch. `on_write` is called before each; it can raise."""

    def __init__(self, exhausts: FolderExhausts) -> None:
        self.exhausts = exhausts
        self.written: list[str] = []
        self.on_write: Callable[[Job, str], None] = lambda _job, _batch: None

    def __call__(self, job: Job, batch_id: str, name: str) -> BatchFile:
        with self.exhausts.atomic_write(name) as file:
            file.write_bytes(b"header\nrow\n")
            self.on_write(job, batch_id)
        self.written.append(batch_id)
        return BatchFile(batch_id, name, 1, 11)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(FolderExhausts(tmp_path / "exhausts"))


@pytest.fixture
def work(writer: Writer, clock: Clock) -> Work:
    return Work(MemoryRequests(), writer.exhausts, writer, RULES, lambda: clock.now)


def submitted(work: Work, *batches: str, channel: str = "in.ekstep", tag: str = "t1") -> Job:
    return work.requests.add(new_job(request(*batches, channel=channel, tag=tag), work.now()))


def files(tmp_path: Path) -> set[str]:
    root = tmp_path / "exhausts"
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def done(work: Work) -> Job:
    job = work_one(work, "w1")
    assert job is not None
    assert work.requests.get(job.request.tag, job.id) == job
    return job


def test_without_a_request_there_is_nothing_to_do(work: Work) -> None:
    assert work_one(work, "w1") is None


def test_a_request_gets_a_file_for_each_batch(work: Work, tmp_path: Path) -> None:
    submitted(work, "b1", "b2")

    job = done(work)

    assert job.status is JobStatus.SUCCESS
    assert {file.name for file in job.files} == files(tmp_path)
    assert work_one(work, "w1") is None


def test_a_retry_continues_at_the_batch_that_failed(work: Work, writer: Writer, clock: Clock) -> None:
    submitted(work, "b1", "b2", "b3")

    def fail(_job: Job, batch: str) -> None:
        if batch == "b2":
            raise StoreUnavailable("no room for the report; free some space and run it again")

    writer.on_write = fail
    waiting = done(work)
    assert (waiting.status, waiting.percent) == (JobStatus.SUBMITTED, 33)
    assert waiting.message == "no room for the report; free some space and run it again"

    writer.on_write = lambda _job, _batch: None
    clock.now += RULES.retry_wait
    assert done(work).status is JobStatus.SUCCESS
    assert writer.written == ["b1", "b2", "b3"]


@pytest.mark.parametrize(
    "error",
    [ReportFailed("the lake's file x.parquet cannot be read; restore it"), StoreUnavailable("no room; free some")],
)
def test_after_three_tries_the_request_fails_with_the_sentence_of_the_error(
    work: Work, writer: Writer, clock: Clock, tmp_path: Path, error: Exception
) -> None:
    submitted(work)

    def fail(_job: Job, _batch: str) -> None:
        raise error

    writer.on_write = fail
    for _ in range(3):
        job = done(work)
        clock.now += DAY

    assert (job.status, job.message) == (JobStatus.FAILED, str(error))
    assert files(tmp_path) == set()
    assert work_one(work, "w1") is None


def test_an_unknown_batch_fails_at_the_first_try(work: Work, writer: Writer) -> None:
    submitted(work)

    def fail(_job: Job, _batch: str) -> None:
        raise UnknownBatch("no store knows batch 'b1'; `assess slices` lists the batches")

    writer.on_write = fail
    job = done(work)

    assert (job.status, job.tries) == (JobStatus.FAILED, 1)


def test_a_defect_is_shown_without_details_and_does_not_end_the_worker(work: Work, writer: Writer) -> None:
    submitted(work)

    def fail(_job: Job, _batch: str) -> None:
        raise ZeroDivisionError("secret")

    writer.on_write = fail
    assert done(work).message == "internal error; the worker's log has the details, so ask the operator"


def test_what_a_paused_worker_wrote_is_not_published(work: Work, writer: Writer, clock: Clock, tmp_path: Path) -> None:
    submitted(work)

    def pause(job: Job, _batch: str) -> None:
        writer.on_write = lambda _job, _batch: None
        clock.now += RULES.lease  # another worker takes the job over and finishes it
        assert work_one(work, "w2") is not None

    writer.on_write = pause
    work_one(work, "w1")

    [job] = work.requests.of_channel("in.ekstep", None, 10)
    assert (job.status, job.claims) == (JobStatus.SUCCESS, 2)
    assert files(tmp_path) == {job.files[0].name}
    assert "/2/" in job.files[0].name


def test_a_cancelled_request_interrupts_its_worker(work: Work, writer: Writer, tmp_path: Path) -> None:
    short = work._replace(rules=Rules(lease=200))
    job = submitted(short)

    def cancel(mine: Job, _batch: str) -> None:
        stored = short.requests.get(job.request.tag, job.id)
        assert stored is not None
        while not short.requests.replace(stored, cancelled(stored, NOW, RULES)):
            stored = short.requests.get(job.request.tag, job.id)
            assert stored is not None
        for _ in range(1000):  # a long read, which looks between its batches whether it was cancelled
            threading.Event().wait(0.01)
            checkpoint()
        pytest.fail("the read was not interrupted")

    writer.on_write = cancel
    work_one(short, "w1")

    stored = short.requests.get(job.request.tag, job.id)
    assert stored is not None
    assert stored.status is JobStatus.CANCELLED
    assert files(tmp_path) == set()


def test_a_stopped_worker_gives_its_request_back_immediately(work: Work, writer: Writer) -> None:
    submitted(work)

    def stop(_job: Job, _batch: str) -> None:
        raise KeyboardInterrupt

    writer.on_write = stop
    with pytest.raises(KeyboardInterrupt):
        work_one(work, "w1")

    writer.on_write = lambda _job, _batch: None
    assert done(work).status is JobStatus.SUCCESS


def test_a_channel_that_used_up_its_day_continues_on_the_next_one(work: Work, clock: Clock) -> None:
    work = work._replace(rules=Rules(batches_a_day=2))
    submitted(work, "b1", "b2", "b3")
    submitted(work, "b1", channel="other")

    first, second = done(work), done(work)

    assert {first.status, second.status} == {JobStatus.SUBMITTED, JobStatus.SUCCESS}
    waiting = first if first.status is JobStatus.SUBMITTED else second
    assert "reached its limit of 2 batches" in (waiting.message or "")
    assert work_one(work, "w1") is None
    clock.now += DAY
    assert done(work).status is JobStatus.SUCCESS


def test_an_entry_of_the_queue_whose_job_is_gone_does_no_harm(work: Work) -> None:
    job = submitted(work)
    mine = claimed(job, "w0", NOW, RULES)
    assert mine is not None
    assert work.requests.replace(job, cancelled(mine, NOW, RULES))
    assert work_one(work, "w1") is None


def test_old_files_are_deleted_and_the_request_says_so(work: Work, clock: Clock, tmp_path: Path) -> None:
    submitted(work)
    job = done(work)
    assert list(delete_old_files(work)) == []

    clock.now += RULES.keep_files

    [old] = delete_old_files(work)
    assert (old.id, old.files) == (job.id, ())
    assert files(tmp_path) == set()
    assert list(delete_old_files(work)) == []


def test_a_read_that_is_interrupted_while_the_lease_holds_is_tried_again(work: Work, writer: Writer) -> None:
    submitted(work)

    def interrupt(_job: Job, _batch: str) -> None:
        raise DeadlineExceeded("interrupted")

    writer.on_write = interrupt
    assert done(work).status is JobStatus.SUBMITTED


def test_the_published_file_is_the_report_that_the_command_line_writes(stores: Stores, clock: Clock) -> None:
    fold([decode(record(event()))], stores.hot, Checks(NoFacts()))
    work = Work(MemoryRequests(), stores.exhausts, report_writer(stores), RULES, lambda: clock.now)
    submitted(work)

    job = done(work)

    report = stores.exhausts.read(job.files[0].name)
    content = b"".join(report.chunks)
    assert (job.files[0].rows, job.files[0].bytes, report.size) == (1, len(content), len(content))
    assert content.startswith(b"batch_id,course_id,user_id")
    assert job.files[0].name.endswith("b1_score_20240129.csv")


def test_the_pictures_of_a_report_have_links_and_are_deleted_with_it(stores: Stores, clock: Clock) -> None:
    fold([decode(record(event()))], stores.hot, Checks(NoFacts()))
    work = Work(MemoryRequests(), stores.exhausts, report_writer(stores), RULES, lambda: clock.now)
    asked = request()
    spec = msgspec.structs.replace(asked.spec, pictures=(ImageFormat.SVG,))
    work.requests.add(new_job(msgspec.structs.replace(asked, spec=spec), NOW))

    job = done(work)

    [file] = job.files
    kinds = ("activity", "scores", "questions")
    assert file.names == (file.name, *(f"{file.name}.{kind}.svg" for kind in kinds))
    assert file.bytes == sum(len(b"".join(stores.exhausts.read(name).chunks)) for name in file.names)
    clock.now = NOW + RULES.keep_files + DAY
    assert list(delete_old_files(work))
    assert not list(Path(stores.exhausts.path("")).rglob("*.svg"))


def test_an_empty_report_is_not_published(stores: Stores, clock: Clock) -> None:
    fold([decode(record(event()))], stores.hot, Checks(NoFacts()))
    work = Work(MemoryRequests(), stores.exhausts, report_writer(stores), RULES, lambda: clock.now)
    asked = request()
    spec = msgspec.structs.replace(asked.spec, course="nothing")
    work.requests.add(new_job(msgspec.structs.replace(asked, spec=spec), NOW))

    job = done(work)

    assert job.status is JobStatus.FAILED
    assert (job.message or "").startswith("No data found")
    assert not list(Path(stores.exhausts.path("score-exhaust")).rglob("*.csv"))


def test_a_request_for_names_gets_them_or_the_reason_why_not(stores: Stores, clock: Clock, tmp_path: Path) -> None:
    fold([decode(record(event()))], stores.hot, Checks(NoFacts()))
    names = tmp_path / "names.csv"
    stores = stores._replace(names=open_names(Settings.from_env({"ASSESS_NAMES": str(names)})))
    work = Work(MemoryRequests(), stores.exhausts, report_writer(stores), RULES, lambda: clock.now)
    asked = request()
    spec = msgspec.structs.replace(asked.spec, names=Naming.LEARNERS)
    work.requests.add(new_job(msgspec.structs.replace(asked, spec=spec), clock.now))

    waiting = done(work)
    names.write_text("kind,id,name\nlearner,u1,Asha K\n")
    clock.now = waiting.not_before
    finished = done(work)

    assert "names.csv' cannot be read: No such file" in str(waiting.message)
    assert finished.status is JobStatus.SUCCESS
    [file] = finished.files
    assert b"Asha K" in b"".join(stores.exhausts.read(file.name).chunks)
