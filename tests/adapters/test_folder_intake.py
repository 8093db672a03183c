"""Properties that only the folder intake has: its own files, full disks, killed processes."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assess_core.adapters.files import intake as folder_intake
from assess_core.adapters.files.intake import FolderIntake
from assess_core.adapters.files.tail import Tail
from assess_core.errors import StoreUnavailable
from assess_core.ports.log import Message
from tests.api.writes import logged, receipts
from tests.factories import RECEIVED
from tests.forked import Forked

PATIENCE = 20


def message(text: str = "x") -> Message:
    return Message("u1", b'{"text":"%b"}' % text.encode())


def values(*texts: str) -> list[bytes]:
    return [message(text).value for text in texts]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "a" / "log"


@pytest.fixture
def intake(log: Path) -> Iterator[FolderIntake]:
    found = FolderIntake(log, lambda: RECEIVED)
    yield found
    found.close()


def files(log: Path) -> list[str]:
    return sorted(path.name for path in log.iterdir())


def test_the_first_message_creates_the_folder_and_the_file(log: Path, intake: FolderIntake) -> None:
    assert not log.exists()
    intake.append([message()]).result(PATIENCE)
    assert files(log) == [f"api-{RECEIVED}-{os.getpid()}-0.jsonl"]


def test_only_the_owner_can_read_the_folder_and_the_file(log: Path, intake: FolderIntake) -> None:
    intake.append([message()]).result(PATIENCE)
    assert [path.stat().st_mode & 0o777 for path in (log, *log.iterdir())] == [0o700, 0o600]


def test_two_intakes_write_different_files(log: Path, intake: FolderIntake) -> None:
    other = FolderIntake(log, lambda: RECEIVED)
    for n in range(3):
        intake.append([message(f"a{n}")]).result(PATIENCE)
        other.append([message(f"b{n}")]).result(PATIENCE)
    other.close()

    assert len(files(log)) == 2
    assert logged(log) == values("a0", "a1", "a2", "b0", "b1", "b2")


def test_receipts_never_decrease_even_if_the_clock_goes_back(log: Path) -> None:
    clock = iter([RECEIVED + 5, RECEIVED, RECEIVED + 3, RECEIVED + 9, RECEIVED + 9])
    intake = FolderIntake(log, lambda: next(clock, RECEIVED))
    for n in range(4):
        intake.append([message(str(n))]).result(PATIENCE)
    intake.close()

    received = [at for at, _ in receipts(log)]
    assert received == sorted(received)
    assert received[0] == RECEIVED + 5


def test_a_large_file_is_closed_and_another_one_started(log: Path) -> None:
    intake = FolderIntake(log, lambda: RECEIVED, rotate_at=200)
    for n in range(10):
        intake.append([message(f"{n:050d}")]).result(PATIENCE)
    intake.close()

    assert len(files(log)) == 5
    assert sorted(logged(log)) == values(*(f"{n:050d}" for n in range(10)))


def test_a_deleted_file_is_not_written_to_any_more(log: Path, intake: FolderIntake) -> None:
    intake.append([message("before")]).result(PATIENCE)
    for file in log.iterdir():
        file.unlink()
    intake.append([message("after")]).result(PATIENCE)
    assert logged(log) == values("after")


def test_a_log_path_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    intake = FolderIntake(tmp_path / "log", lambda: RECEIVED)
    with pytest.raises(StoreUnavailable, match=r"log' cannot be written to \(.*\): free space"):
        intake.append([message()]).result(PATIENCE)
    (tmp_path / "log").unlink()
    intake.append([message()]).result(PATIENCE)
    intake.close()
    assert logged(tmp_path / "log") == values("x")


def test_waiting_calls_share_one_fsync(log: Path, intake: FolderIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, synced = threading.Event(), []
    fdatasync = os.fdatasync

    def slow(fd: int) -> None:
        synced.append(fd)
        assert go_on.wait(PATIENCE)
        fdatasync(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    futures = [intake.append([message("first")])]
    for _ in range(PATIENCE * 1000):
        if synced:
            break
        time.sleep(0.001)
    futures += [intake.append([message(str(n))]) for n in range(100)]
    assert not any(one.done() for one in futures)  # no call is acknowledged before the fsync ends
    go_on.set()
    for one in futures:
        one.result(PATIENCE)
    assert len(synced) == 2


def test_the_writer_waits_for_a_starting_process_that_holds_the_lock_of_its_file(
    log: Path, intake: FolderIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A starting process locks each file of the folder for some milliseconds, to cut off half lines."""
    opened = os.open

    def open_and_lock(path: Path, flags: int, mode: int = 0o777) -> int:
        fd = opened(path, flags, mode)
        if flags & os.O_EXCL:
            other = opened(path, os.O_RDWR)
            fcntl.flock(other, fcntl.LOCK_EX)
            threading.Timer(0.2, os.close, [other]).start()
        return fd

    monkeypatch.setattr(os, "open", open_and_lock)
    intake.append([message()]).result(PATIENCE)
    assert logged(log) == values("x")


def test_many_intakes_that_start_at_the_same_time_all_write(log: Path) -> None:
    def start(_number: int) -> None:
        for _ in range(20):
            intake = FolderIntake(log, lambda: RECEIVED)
            intake.append([message()]).result(PATIENCE)
            intake.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))
    assert len(logged(log)) == 160


@pytest.mark.parametrize("error", [ValueError("embedded null byte"), MemoryError(), RuntimeError("no more threads")])
def test_any_error_of_the_writer_reaches_its_callers_and_later_events_are_accepted(
    log: Path, intake: FolderIntake, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    intake.append([message("0")]).result(PATIENCE)

    def fail(_fd: int) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(StoreUnavailable, match=f"failed \\({type(error).__name__}: .*; send the events again"):
            intake.append([message("1")]).result(PATIENCE)
    intake.append([message("2")]).result(PATIENCE)
    assert logged(log)[-1:] == values("2")


def test_no_receipt_is_earlier_than_the_name_of_its_file(log: Path) -> None:
    clock = iter(range(RECEIVED, RECEIVED + 1000, 7))
    intake = FolderIntake(log, lambda: next(clock), rotate_at=1)
    for n in range(5):
        intake.append([message(str(n))]).result(PATIENCE)
    intake.close()
    for path in log.iterdir():
        [receipt] = [json.loads(line)["receivedAt"] for line in path.read_bytes().splitlines()]
        assert path.name.split("-")[1] == str(receipt)


# --- a disk that fails ---


class Disk:
    """A disk that has space for `room` more bytes, or fails on fsync."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.sync = True
        write, fdatasync = os.write, os.fdatasync

        def bounded(fd: int, data: bytes) -> int:
            if self.room is None:
                return write(fd, data)
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = write(fd, data[: self.room])
            self.room -= written
            return written

        def sync_or_fail(fd: int) -> None:
            if not self.sync:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fdatasync(fd)

        monkeypatch.setattr(os, "write", bounded)
        monkeypatch.setattr(os, "fdatasync", sync_or_fail)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("room", [0, 1, 10, 54, 55, 56, 80, 109, 110, 120])
def test_a_full_disk_leaves_whole_lines_and_writing_continues_when_there_is_space(
    log: Path, intake: FolderIntake, disk: Disk, room: int
) -> None:
    intake.append([message("0")]).result(PATIENCE)
    size = (log / files(log)[0]).stat().st_size
    disk.room = room
    with pytest.raises(StoreUnavailable, match="No space left on device"):
        intake.append([message("1"), message("2"), message("3")]).result(PATIENCE)
    assert logged(log) == values(*map(str, range(1 + room // size)))  # `logged` fails on a half line

    disk.room = None
    intake.append([message("4")]).result(PATIENCE)
    assert logged(log)[-1:] == values("4")
    assert len(files(log)) == 1


def test_a_line_that_a_reader_has_seen_is_never_removed(log: Path, intake: FolderIntake, disk: Disk) -> None:
    """Otherwise a position could be in the middle of a new line, and the lines before it would be lost."""
    tail = Tail(log, {}, print)
    intake.append([message("0")]).result(PATIENCE)
    disk.room = 130  # two lines and a part of the third
    with pytest.raises(StoreUnavailable):
        intake.append([message("1"), message("2"), message("3")]).result(PATIENCE)
    seen = [record.raw for batch in tail.batches() for record in batch.records]
    disk.room = None
    intake.append([message("longer than the others"), message("5")]).result(PATIENCE)
    seen += [record.raw for batch in tail.batches() for record in batch.records]

    assert len(seen) == len(set(seen)) == len(logged(log))


def test_half_a_line_that_cannot_be_cut_off_immediately_is_cut_off_later(
    log: Path, intake: FolderIntake, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fd: int, _size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    intake.append([message("0")]).result(PATIENCE)
    with monkeypatch.context() as broken:
        broken.setattr(os, "ftruncate", fail)
        disk.room = 70
        with pytest.raises(StoreUnavailable, match="Input/output error"):
            intake.append([message("1"), message("2")]).result(PATIENCE)
    (torn,) = log.iterdir()
    assert not torn.read_bytes().endswith(b"\n")
    disk.room = None
    intake.append([message("3")]).result(PATIENCE)

    assert logged(log) == values("0", "1", "3")


def test_another_file_is_started_after_a_failed_fsync(log: Path, intake: FolderIntake, disk: Disk) -> None:
    intake.append([message("0")]).result(PATIENCE)
    disk.sync = False
    with pytest.raises(StoreUnavailable, match="Input/output error"):
        intake.append([message("1")]).result(PATIENCE)
    disk.sync = True
    intake.append([message("2")]).result(PATIENCE)

    assert len(files(log)) == 2
    assert logged(log)[-1:] == values("2")


def test_a_disk_that_stays_full_leaves_no_empty_files(log: Path, intake: FolderIntake, disk: Disk) -> None:
    disk.room = 0
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            intake.append([message()]).result(PATIENCE)
    assert len(files(log)) == 1
    intake.close()
    assert files(log) == []


# --- processes that are killed ---

WRITER = """
import sys, time
from pathlib import Path
from assess_core.ports.log import Message
from assess_core.adapters.files.intake import FolderIntake
intake = FolderIntake(Path(sys.argv[1]), lambda: time.time_ns() // 1_000_000)
for n in range(100_000):
    intake.append([Message("u", b'{"text":"%d"}' % n)]).result()
    print(n, flush=True)
"""


def test_acknowledged_messages_survive_a_kill(log: Path) -> None:
    with Forked[str](["-c", WRITER, str(log)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(50):
            last = writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged = [last, *writer.stdout]

    FolderIntake(log, lambda: RECEIVED).close()
    assert logged(log)[: int(acknowledged[-1]) + 1] == values(*map(str, range(int(acknowledged[-1]) + 1)))


@pytest.mark.parametrize("half", [b"{", b'{"receivedAt": 1, "value": {"text":"' + b"x" * 200_000, b"\0" * 70_000])
def test_half_a_line_of_a_process_that_was_killed_is_cut_off(log: Path, half: bytes) -> None:
    log.mkdir(parents=True)
    whole = b'{"receivedAt": 1, "value": {"text":"0"}}\n'
    for name, text in (("api-1-1-0.jsonl", whole + half), ("api-1-2-0.jsonl", half), ("other.jsonl", whole + half)):
        (log / name).write_bytes(text)

    FolderIntake(log, lambda: RECEIVED).close()

    assert (log / "api-1-1-0.jsonl").read_bytes() == whole
    assert (log / "api-1-2-0.jsonl").read_bytes() == b""
    assert (log / "other.jsonl").read_bytes() == whole + half  # another program's file


def test_the_line_that_a_process_is_writing_is_not_cut_off(log: Path, intake: FolderIntake) -> None:
    intake.append([message("0")]).result(PATIENCE)
    (file,) = log.iterdir()
    with file.open("ab") as writing:
        writing.write(b'{"receivedAt": 1, "va')
    FolderIntake(log, lambda: RECEIVED).close()
    assert file.read_bytes().endswith(b'"va')


def test_the_last_line_end_is_found_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_intake, "_CHUNK", 4)
    for text in (b"", b"\n", b"a", b"abcdefgh", b"a\nbcdefgh", b"abc\nd", b"abcd\n", b"abcde\nfghi\n"):
        (tmp_path / "api-1-1-0.jsonl").write_bytes(text)
        FolderIntake(tmp_path, lambda: RECEIVED).close()
        assert (tmp_path / "api-1-1-0.jsonl").read_bytes() == text[: text.rfind(b"\n") + 1]
