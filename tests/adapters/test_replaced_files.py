"""A log file that was rotated, truncated, replaced or rewritten is read from its start, also after a restart."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import START, holds
from assess_core.adapters.files.proofs import WINDOW
from assess_core.adapters.files.tail import Tail
from assess_core.adapters.files.unread import folded, unread
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.slices import Unread
from assess_core.ports.log import Position, Positions

LARGE = 3 * WINDOW


@pytest.fixture
def hot() -> MemoryHot:
    return MemoryHot()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


class Follower:
    """Follows a log and commits each batch immediately. If it is not `running`, each poll starts a new tail."""

    def __init__(self, log: Path, positions: Positions, *, running: bool) -> None:
        self._log, self._positions, self._running = log, positions, running
        self._tail = self._start()

    def _start(self) -> Tail:
        return Tail(self._log, self._positions.positions(), print)

    def poll(self) -> list[bytes]:
        """The records of two polls, because a file that is written as a whole is read by the second one."""
        if not self._running:
            self._tail = self._start()
        return [*self._poll_once(), *self._poll_once()]

    def _poll_once(self) -> Iterator[bytes]:
        for batch in self._tail.batches():
            self._positions.commit(batch.ends)
            yield from (record.raw for record in batch.records)


@pytest.fixture(params=[True, False], ids=["running", "restarted"])
def follower(request: pytest.FixtureRequest, log: Path, hot: MemoryHot) -> Follower:
    return Follower(log, hot, running=request.param)


def rename(path: Path, text: bytes) -> None:
    path.rename(path.with_name("older.jsonl"))
    path.write_bytes(text)


def truncate(path: Path, text: bytes) -> None:
    os.truncate(path, 0)
    with path.open("ab") as file:
        file.write(text)


def delete(path: Path, text: bytes) -> None:
    path.unlink()
    path.write_bytes(text)


def overwrite(path: Path, text: bytes) -> None:
    with path.open("r+b") as file:
        file.write(text)


def replace(path: Path, text: bytes) -> None:
    path.with_name(".new").write_bytes(text)
    path.with_name(".new").replace(path)


def lines(letter: str, count: int, length: int = 10) -> list[bytes]:
    """Lines of equal length, so that the lines of different files end at the same positions."""
    return [f"{letter}{number:0{length}}".encode() for number in range(count)]


def text(some: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in some)


@pytest.mark.parametrize("longer", [0, 1, 100])
@pytest.mark.parametrize("length", [10, 20_000])
@pytest.mark.parametrize("change", [rename, truncate, delete, overwrite, replace])
def test_another_file_under_the_same_name_is_read_from_its_start(
    log: Path, hot: MemoryHot, follower: Follower, change: Callable[[Path, bytes], None], length: int, longer: int
) -> None:
    path = log / "e.jsonl"
    path.write_bytes(text(lines("a", 8, length)))
    assert follower.poll() == lines("a", 8, length)
    new = lines("b", 8 + longer, length)
    change(path, text(new))
    assert unread(log, hot) is not None
    assert folded(log, hot)[str(path), 0] == 1
    assert set(follower.poll()) >= set(new)
    assert unread(log, hot) is None


@pytest.mark.parametrize("name", ["e.jsonl.gz", "e.json"])
@pytest.mark.parametrize("change", [truncate, delete, replace])
def test_a_whole_file_that_is_replaced_by_one_of_the_same_size_is_read_again(
    log: Path, hot: MemoryHot, follower: Follower, name: str, change: Callable[[Path, bytes], None]
) -> None:
    def whole(letter: bytes) -> bytes:
        one = b'"' + letter * 1000 + b'"'
        return gzip.compress(one + b"\n", mtime=0) if name.endswith(".gz") else one

    path = log / name
    path.write_bytes(whole(b"a"))
    assert follower.poll() == [b'"' + b"a" * 1000 + b'"']
    assert len(whole(b"b")) == path.stat().st_size
    change(path, whole(b"b"))
    assert unread(log, hot) == Unread(f"1 file, e.g. {name} from line 1")
    assert follower.poll() == [b'"' + b"b" * 1000 + b'"']
    assert unread(log, hot) is None


def test_a_file_that_only_grew_or_was_copied_is_read_from_its_position(
    log: Path, hot: MemoryHot, follower: Follower
) -> None:
    path = log / "e.jsonl"
    path.write_bytes(text(lines("a", 5000)))
    follower.poll()
    replace(path, path.read_bytes())  # another inode and another time, as after a restored backup
    assert unread(log, hot) is None
    with path.open("ab") as file:
        file.write(b"later\n")
    assert unread(log, hot) == Unread("1 file, e.g. e.jsonl from line 5001")
    assert follower.poll() == [b"later"]


def test_the_proof_does_not_depend_on_how_many_lines_arrived_together(log: Path) -> None:
    path, found = log / "e.jsonl", set[Position]()
    for step in (700, 2500, 5000):
        path.write_bytes(b"")
        hot, some = MemoryHot(), lines("a", 5000, 15)
        follower = Follower(log, hot, running=True)
        for start in range(0, 5000, step):
            with path.open("ab") as file:
                file.write(text(some[start : start + step]))
            follower.poll()
        found.add(hot.positions()[str(path)])
    assert len(found) == 1


def test_a_position_without_a_proof_is_not_trusted(log: Path, hot: MemoryHot, follower: Follower) -> None:
    (log / "e.jsonl").write_bytes(b"1\n2\n")
    hot.commit({str(log / "e.jsonl"): Position(2, 2)})
    assert unread(log, hot) == Unread("1 file, e.g. e.jsonl from line 1")
    assert follower.poll() == [b"1", b"2"]


def test_the_start_of_a_file_is_committed_after_it_was_emptied(log: Path, hot: MemoryHot, follower: Follower) -> None:
    path = log / "e.jsonl"
    path.write_bytes(b"1\n2\n")
    follower.poll()
    os.truncate(path, 0)
    assert follower.poll() == []
    assert hot.positions() == {str(path): START}


def test_a_check_reads_only_two_short_parts_of_a_large_file(
    log: Path, hot: MemoryHot, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log / "e.jsonl"
    path.write_bytes(text(lines("a", 200_000)))
    Follower(log, hot, running=True).poll()
    [file], read, pread = find([str(path)], print), list[int](), os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        read.append(size)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    assert holds(file, hot.positions()[str(path)])
    assert read == [WINDOW, WINDOW]


def test_the_embedded_store_stores_the_proof(log: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hot.sqlite'}"
    (log / "e.jsonl").write_bytes(b"1\n2\n")
    Follower(log, SqliteHot(url), running=True).poll()
    assert unread(log, SqliteHot(url)) is None
    (log / "e.jsonl").write_bytes(b"3\n4\n")
    assert unread(log, SqliteHot(url)) == Unread("1 file, e.g. e.jsonl from line 1")
