"""How the folder of a log is followed: positions, new files, lines that are not finished, files that change."""

import gzip
import os
from itertools import islice
from pathlib import Path

import pytest

from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import START, in_batches, read_lines
from assess_core.adapters.files.tail import Tail
from assess_core.adapters.files.unread import unread
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.slices import Unread
from assess_core.errors import BadLog
from assess_core.ports.log import LogBatch


class Follower:
    """A tail whose batches are committed immediately, as the stream commits them."""

    def __init__(self, folder: Path, hot: MemoryHot) -> None:
        self.messages: list[str] = []
        self._hot = hot
        self._tail = Tail(folder, hot.positions(), self.messages.append)

    def poll(self) -> list[bytes]:
        """The records of one poll."""
        return [record.raw for batch in self._tail.batches() for record in self._commit(batch).records]

    def _commit(self, batch: LogBatch) -> LogBatch:
        self._hot.commit(batch.ends)
        return batch


@pytest.fixture
def hot() -> MemoryHot:
    return MemoryHot()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


@pytest.fixture
def follower(log: Path, hot: MemoryHot) -> Follower:
    return Follower(log, hot)


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_a_poll_returns_the_lines_that_were_appended_since_the_last_poll(log: Path, follower: Follower) -> None:
    append(log / "a.jsonl", b"1\n2\n")
    assert follower.poll() == [b"1", b"2"]
    assert follower.poll() == []
    append(log / "a.jsonl", b"3\n")
    append(log / "b.jsonl", b"4\n")
    assert follower.poll() == [b"3", b"4"]


def test_records_are_named_by_absolute_path_and_line(log: Path) -> None:
    append(log / "a.jsonl", b"1\n\n3\n")
    tail = Tail(log, {}, print)
    [batch] = tail.batches()
    assert [(record.topic, record.offset) for record in batch.records] == [
        (str(log / "a.jsonl"), 1),
        (str(log / "a.jsonl"), 3),
    ]
    assert [(topic, end.line, end.byte) for topic, end in batch.ends.items()] == [(str(log / "a.jsonl"), 4, 5)]


def test_an_unfinished_last_line_waits_until_it_is_finished(log: Path, hot: MemoryHot, follower: Follower) -> None:
    append(log / "a.jsonl", b'1\n{"cut":')
    assert follower.poll() == [b"1"]
    assert follower.poll() == []
    assert unread(log, hot) == Unread("1 file, e.g. a.jsonl from line 2")
    append(log / "a.jsonl", b" true}")
    assert follower.poll() == []
    append(log / "a.jsonl", b"\n")
    assert follower.poll() == [b'{"cut": true}']
    assert unread(log, hot) is None


def test_a_restart_continues_at_the_committed_positions(log: Path, hot: MemoryHot, follower: Follower) -> None:
    append(log / "a.jsonl", b"1\n2\n3")
    assert follower.poll() == [b"1", b"2"]
    append(log / "a.jsonl", b"\n4\n")
    assert Follower(log, hot).poll() == [b"3", b"4"]


def test_blank_lines_at_the_end_are_read_too(log: Path, hot: MemoryHot, follower: Follower) -> None:
    append(log / "a.jsonl", b"1\n")
    follower.poll()
    append(log / "a.jsonl", b"\n\n")
    assert follower.poll() == []
    assert unread(log, hot) is None


def test_the_tail_waits_for_a_folder_that_does_not_exist_yet(tmp_path: Path, hot: MemoryHot) -> None:
    follower = Follower(tmp_path / "later", hot)
    assert follower.poll() == follower.poll() == []
    assert follower.messages == [f"waiting for the folder {str(tmp_path / 'later')!r} (ASSESS_LOG)"]
    (tmp_path / "later").mkdir()
    append(tmp_path / "later" / "a.jsonl", b"1\n")
    assert follower.poll() == [b"1"]


def test_a_file_that_shrank_is_read_again_from_the_start(log: Path, hot: MemoryHot, follower: Follower) -> None:
    append(log / "a.jsonl", b"1\n2\n3\n")
    follower.poll()
    (log / "a.jsonl").write_bytes(b"4\n")
    assert follower.poll() == [b"4"]
    (log / "a.jsonl").write_bytes(b"")
    assert follower.poll() == []
    assert unread(log, hot) is None
    append(log / "a.jsonl", b"5\n6\n7\n8\n")
    assert follower.poll() == [b"5", b"6", b"7", b"8"]
    assert unread(log, hot) is None


def test_a_file_that_was_replaced_by_a_larger_one_is_read_from_the_start(log: Path, follower: Follower) -> None:
    append(log / "a.jsonl", b"1\n2\n")
    follower.poll()
    append(log / "new", b"3\n4\n5\n")
    os.replace(log / "new", log / "a.jsonl")
    assert follower.poll() == [b"3", b"4", b"5"]


def test_a_file_that_was_replaced_between_two_runs_is_read_from_the_start(
    log: Path, hot: MemoryHot, follower: Follower
) -> None:
    append(log / "a.jsonl", b"1\n2\n")
    follower.poll()
    (log / "a.jsonl").write_bytes(b"first\nsecond\n")
    assert Follower(log, hot).poll() == [b"first", b"second"]


@pytest.mark.parametrize("name", ["e.json", "e.jsonl.gz"])
def test_a_file_that_is_written_as_a_whole_is_read_when_it_no_longer_changes(
    log: Path, hot: MemoryHot, follower: Follower, name: str
) -> None:
    whole = gzip.compress(b'{"a":1}') if name.endswith(".gz") else b'{"a":1}'
    append(log / name, whole[:3])
    assert follower.poll() == []
    append(log / name, whole[3:])
    assert follower.poll() == []
    assert follower.poll() == [b'{"a":1}']
    assert follower.poll() == []
    assert unread(log, hot) is None
    assert Follower(log, hot).poll() == []


@pytest.mark.parametrize("name", ["e.json", "e.jsonl.gz"])
def test_a_file_that_was_written_as_a_whole_and_changes_is_read_again(
    log: Path, hot: MemoryHot, follower: Follower, name: str
) -> None:
    def write(text: bytes) -> None:
        (log / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)

    write(b"[1]")
    follower.poll()
    assert follower.poll() == [b"[1]"]
    write(b"[2,3]")
    assert unread(log, hot) == Unread(f"1 file, e.g. {name} from line 1")
    follower.poll()
    assert follower.poll() == [b"[2,3]"]


def test_a_restart_continues_within_a_gzip_file(log: Path, hot: MemoryHot) -> None:
    (log / "e.jsonl.gz").write_bytes(gzip.compress(b"1\n2\n3\n"))
    [file] = find([str(log / "e.jsonl.gz")], print)
    [batch] = in_batches(islice(read_lines(file, START), 2))
    hot.commit(batch.ends)
    assert unread(log, hot) == Unread("1 file, e.g. e.jsonl.gz from line 3")
    follower = Follower(log, hot)
    follower.poll()
    assert follower.poll() == [b"3"]
    assert unread(log, hot) is None


def test_a_damaged_file_is_reported_once_stays_unread_and_does_not_stop_the_others(
    log: Path, hot: MemoryHot, follower: Follower
) -> None:
    lines = b"".join(os.urandom(40).hex().encode() + b"\n" for _ in range(1000))
    (log / "a.jsonl.gz").write_bytes(gzip.compress(lines)[:20_000])
    append(log / "b.jsonl", b"1\n")
    follower.poll()
    intact = follower.poll()
    append(log / "b.jsonl", b"2\n")
    assert follower.poll() == [b"2"]
    [message] = follower.messages
    assert f"a.jsonl.gz' is damaged after line {len(intact)} (" in message
    assert message.endswith("; until then its lines count as unread")
    assert unread(log, hot) == Unread(f"1 file, e.g. a.jsonl.gz from line {len(intact) + 1}")
    (log / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    follower.poll()
    assert follower.poll() == lines.splitlines()
    assert unread(log, hot) is None


def test_a_damaged_file_is_not_read_again_until_it_changes(log: Path, hot: MemoryHot, follower: Follower) -> None:
    path, whole = log / "a.jsonl.gz", gzip.compress(b"1\n")
    path.write_bytes(whole[:-8] + b"bad sum.")
    before = path.stat()
    follower.poll()
    assert follower.poll() == [b"1"]
    path.write_bytes(whole)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # so that no poll detects the change
    assert follower.poll() == follower.poll() == []
    assert unread(log, hot) == Unread("1 file, e.g. a.jsonl.gz from line 1")
    path.touch()
    follower.poll()
    assert follower.poll() == [b"1"]


def test_files_that_are_not_read_are_reported_once(log: Path, follower: Follower) -> None:
    append(log / "notes.txt", b"1")
    follower.poll()
    follower.poll()
    assert len(follower.messages) == 1


def test_a_folder_that_cannot_be_read_ends_the_tail(tmp_path: Path, hot: MemoryHot) -> None:
    append(tmp_path / "log", b"")
    with pytest.raises(BadLog, match="cannot be read: Not a directory"):
        Follower(tmp_path / "log", hot).poll()


def test_workers_share_the_files_and_skip_none(log: Path) -> None:
    for n in range(20):
        append(log / f"{n}.jsonl", f"{n}\n".encode())
    tails = [Tail(log, {}, print, worker, 3) for worker in range(3)]
    shares = [[record.raw for batch in tail.batches() for record in batch.records] for tail in tails]
    assert all(shares)
    assert sorted(int(raw) for share in shares for raw in share) == list(range(20))
