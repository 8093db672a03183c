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
    """Follows a log and commits each batch at once; it may be killed and started again."""

    def __init__(self, log: Path, positions: Positions, *, lives: bool) -> None:
        self._log, self._positions, self._lives = log, positions, lives
        self._tail = self._start()

    def _start(self) -> Tail:
        return Tail(self._log, self._positions.positions(), print)

    def look(self) -> list[bytes]:
        """What two looks give: enough for a file that is written as a whole."""
        if not self._lives:
            self._tail = self._start()
        return [*self._look(), *self._look()]

    def _look(self) -> Iterator[bytes]:
        for batch in self._tail.batches():
            self._positions.commit(batch.ends)
            yield from (record.raw for record in batch.records)


@pytest.fixture(params=[True, False], ids=["running", "restarted"])
def follower(request: pytest.FixtureRequest, log: Path, hot: MemoryHot) -> Follower:
    return Follower(log, hot, lives=request.param)


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
    """Lines of equal length, so that a line of any file ends where one of any other does."""
    return [f"{letter}{number:0{length}}".encode() for number in range(count)]


def text(some: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in some)


@pytest.mark.parametrize("longer", [0, 1, 100])
@pytest.mark.parametrize("length", [10, 20_000])
@pytest.mark.parametrize("way", [rename, truncate, delete, overwrite, replace])
def test_another_file_under_the_same_name_is_read_from_its_start(
    log: Path, hot: MemoryHot, follower: Follower, way: Callable[[Path, bytes], None], length: int, longer: int
) -> None:
    path = log / "e.jsonl"
    path.write_bytes(text(lines("a", 8, length)))
    assert follower.look() == lines("a", 8, length)
    new = lines("b", 8 + longer, length)
    way(path, text(new))
    assert unread(log, hot) is not None
    assert folded(log, hot)[str(path), 0] == 1
    assert set(follower.look()) >= set(new)
    assert unread(log, hot) is None


@pytest.mark.parametrize("name", ["e.jsonl.gz", "e.json"])
@pytest.mark.parametrize("way", [truncate, delete, replace])
def test_a_whole_file_that_is_replaced_by_one_of_the_same_size_is_read_again(
    log: Path, hot: MemoryHot, follower: Follower, name: str, way: Callable[[Path, bytes], None]
) -> None:
    def whole(letter: bytes) -> bytes:
        one = b'"' + letter * 1000 + b'"'
        return gzip.compress(one + b"\n", mtime=0) if name.endswith(".gz") else one

    path = log / name
    path.write_bytes(whole(b"a"))
    assert follower.look() == [b'"' + b"a" * 1000 + b'"']
    assert len(whole(b"b")) == path.stat().st_size
    way(path, whole(b"b"))
    assert unread(log, hot) == Unread(f"1 file, e.g. {name} from line 1")
    assert follower.look() == [b'"' + b"b" * 1000 + b'"']
    assert unread(log, hot) is None


def test_a_file_that_only_grew_or_was_copied_goes_on_at_its_position(
    log: Path, hot: MemoryHot, follower: Follower
) -> None:
    path = log / "e.jsonl"
    path.write_bytes(text(lines("a", 5000)))
    follower.look()
    replace(path, path.read_bytes())  # another inode and another time, as after a restored backup
    assert unread(log, hot) is None
    with path.open("ab") as file:
        file.write(b"later\n")
    assert unread(log, hot) == Unread("1 file, e.g. e.jsonl from line 5001")
    assert follower.look() == [b"later"]


def test_the_proof_does_not_depend_on_how_many_lines_came_at_once(log: Path) -> None:
    path, found = log / "e.jsonl", set[Position]()
    for step in (700, 2500, 5000):
        path.write_bytes(b"")
        hot, some = MemoryHot(), lines("a", 5000, 15)
        follower = Follower(log, hot, lives=True)
        for start in range(0, 5000, step):
            with path.open("ab") as file:
                file.write(text(some[start : start + step]))
            follower.look()
        found.add(hot.positions()[str(path)])
    assert len(found) == 1


def test_a_position_without_a_proof_is_not_trusted(log: Path, hot: MemoryHot, follower: Follower) -> None:
    (log / "e.jsonl").write_bytes(b"1\n2\n")
    hot.commit({str(log / "e.jsonl"): Position(2, 2)})
    assert unread(log, hot) == Unread("1 file, e.g. e.jsonl from line 1")
    assert follower.look() == [b"1", b"2"]


def test_a_file_that_was_emptied_has_its_start_committed(log: Path, hot: MemoryHot, follower: Follower) -> None:
    path = log / "e.jsonl"
    path.write_bytes(b"1\n2\n")
    follower.look()
    os.truncate(path, 0)
    assert follower.look() == []
    assert hot.positions() == {str(path): START}


def test_a_check_reads_two_short_parts_of_a_file_however_large_it_is(
    log: Path, hot: MemoryHot, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log / "e.jsonl"
    path.write_bytes(text(lines("a", 200_000)))
    Follower(log, hot, lives=True).look()
    [file], read, pread = find([str(path)], print), list[int](), os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        read.append(size)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    assert holds(file, hot.positions()[str(path)])
    assert read == [WINDOW, WINDOW]


def test_a_proof_survives_in_the_embedded_store(log: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hot.sqlite'}"
    (log / "e.jsonl").write_bytes(b"1\n2\n")
    Follower(log, SqliteHot(url), lives=True).look()
    assert unread(log, SqliteHot(url)) is None
    (log / "e.jsonl").write_bytes(b"3\n4\n")
    assert unread(log, SqliteHot(url)) == Unread("1 file, e.g. e.jsonl from line 1")
