"""Slices close while events are written without a pause: unread events hold back only the slices of their weeks."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from assess_core.adapters.files.intake import FolderIntake
from assess_core.adapters.files.log import FolderLog
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.moments import DAY
from assess_core.domain.slices import WEEK, ArchiveSlice, Unread, why_open
from assess_core.ports.log import Feed, Log, Message
from tests.factories import RECEIVED
from tests.logs import put
from tests.stream.processes import wait_until

PATIENCE = 60
CHECKS = 40


def now() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def running(*jobs: Callable[[], object]) -> Iterator[None]:
    """Repeat each job in its own thread until the block ends."""
    over, failed = threading.Event(), list[Exception]()

    def repeat(job: Callable[[], object]) -> None:
        try:
            while not over.is_set():
                job()
        except Exception as error:  # noqa: BLE001 raised below
            failed.append(error)

    threads = [threading.Thread(target=repeat, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not failed


def write(log: Log, number: int) -> Callable[[], object]:
    intake = log.intake()
    return lambda: intake.append([Message(f"u{number}", b'{"text":"%d"}' % number)]).result(PATIENCE)


def read(feed: Feed) -> Callable[[], object]:
    def once() -> None:
        for batch in feed.batches():
            time.sleep(0.05)  # the time that a store needs
            feed.done(batch, [])

    return once


def check_repeatedly(log: Log) -> tuple[int, list[str]]:
    """How many checks found unread events, and why the slice of two weeks ago was open at any check."""
    found, reasons = 0, list[str]()
    for _ in range(CHECKS):
        unread, moment = log.unread(), now()
        found += unread is not None
        why = why_open(ArchiveSlice.of("b1", moment - 2 * WEEK), moment, DAY, unread)
        reasons += [why] if why else []
        time.sleep(0.02)
    return found, reasons


def test_slices_of_a_folder_close_under_steady_writes(tmp_path: Path) -> None:
    log = FolderLog(tmp_path / "log", MemoryHot())
    writers = [write(log, number) for number in range(4)]
    for job in writers:
        job()
    with running(*writers, read(log.feed(print))):
        found, reasons = check_repeatedly(log)
    assert found > CHECKS // 2  # otherwise the test proves nothing
    assert reasons == []


def test_slices_of_a_topic_close_under_steady_writes(kafka_brokers: str) -> None:
    from assess_core.adapters.kafka.log import KafkaLog
    from tests.kafka_topics import create_topic

    topic = f"steady-{uuid4()}"
    create_topic(kafka_brokers, topic)
    create_topic(kafka_brokers, f"{topic}.failed", partitions=1)
    log = KafkaLog(f"kafka://{kafka_brokers}/{topic}?group={topic}")
    feed = log.feed(print)
    try:
        with running(*(write(log, number) for number in range(4)), read(feed)):
            wait_until(lambda: any(each.committed for each in log.lag()))  # the group reads
            found, reasons = check_repeatedly(log)
    finally:
        feed.close()
    assert found > CHECKS // 2
    assert reasons == []


# --- the earliest receipt of the unread events of a folder ---

API = f"api-{RECEIVED}-17-0.jsonl"


def line(at: int) -> bytes:
    return b'{"receivedAt": %d, "value": {"userId":"u"}}\n' % at


def since(folder: Path, hot: MemoryHot | None = None) -> int | None:
    unread = FolderLog(folder, hot or MemoryHot()).unread()
    assert unread is not None
    return unread.since


def test_since_is_the_receipt_of_the_first_unread_line_of_the_api(tmp_path: Path) -> None:
    hot = MemoryHot()
    put(tmp_path / API, line(RECEIVED))
    feed = FolderLog(tmp_path, hot).feed(print)
    for batch in feed.batches():
        feed.done(batch, [])
    put(tmp_path / API, line(RECEIVED) + line(RECEIVED + 5) + line(RECEIVED + 9))
    assert since(tmp_path, hot) == RECEIVED + 5


def test_since_is_the_earliest_receipt_of_all_files(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        put(tmp_path / f"api-{RECEIVED}-{number}-0.jsonl", line(RECEIVED + number))
    assert since(tmp_path) == RECEIVED + 1


@pytest.mark.parametrize("size", [1, 15, 25, 40])
def test_the_receipt_of_a_line_that_is_being_written_is_not_earlier_than_its_file_name(
    tmp_path: Path, size: int
) -> None:
    put(tmp_path / API, line(RECEIVED + 5)[:size])
    assert since(tmp_path) in (RECEIVED, RECEIVED + 5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("events.jsonl", line(RECEIVED)),
        ("api-notes.jsonl", line(RECEIVED)),
        (f"{API}.gz", line(RECEIVED)),
        (API, b'{"userId":"u1"}\n'),
        (API, b"\n" + line(RECEIVED)),
        (API, b"x" * 100),
    ],
)
def test_lines_without_a_receipt_may_belong_to_any_week(tmp_path: Path, name: str, text: bytes) -> None:
    put(tmp_path / "api-1-1-1.jsonl", line(RECEIVED))
    put(tmp_path / name, text)
    assert since(tmp_path) is None


def test_a_slice_waits_for_lines_that_were_received_before_its_week_ended(tmp_path: Path) -> None:
    slice_ = ArchiveSlice.of("b1", RECEIVED)
    closes = slice_.week.end + DAY
    for at, is_open in ((slice_.week.end - 1, True), (slice_.week.end, False)):
        put(tmp_path / API, line(at))
        why = why_open(slice_, closes, DAY, FolderLog(tmp_path, MemoryHot()).unread())
        assert (why is not None) == is_open
    assert why_open(slice_, closes, DAY, Unread("1 file")) is not None


def test_receipts_that_the_intake_writes_are_read(tmp_path: Path) -> None:
    intake = FolderIntake(tmp_path, lambda: RECEIVED)
    intake.append([Message("u1", b"{}")]).result(PATIENCE)
    intake.close()
    assert since(tmp_path) == RECEIVED
