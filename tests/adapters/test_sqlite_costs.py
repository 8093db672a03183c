"""The cost of reads of the SQLite store, in steps of SQLite's virtual machine, so that the figures never vary."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from assess_core.adapters.sqlite import connections
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.hot_store import AttemptRange
from benchmarks.slices import fill_rows, fill_slices, slice_number
from tests.factories import RECEIVED, answer, key, version

MINE = ArchiveSlice.of("mine", RECEIVED)


class Counted:
    """A store that counts the steps of its statements."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        connect = connections.connect

        def counted(path: Path, busy_seconds: float) -> sqlite3.Connection:
            connection = connect(path, busy_seconds)
            connection.set_progress_handler(self._count, 1)
            return connection

        monkeypatch.setattr(connections, "connect", counted)
        self.hot = SqliteHot(f"sqlite:///{path}")

    def _count(self) -> None:
        self.steps += 1

    def cost(self, read: Callable[[], object]) -> int:
        before = self.steps
        assert read()
        return self.steps - before


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(tmp_path / "hot.sqlite", monkeypatch)


@pytest.mark.parametrize(
    "read",
    [
        lambda hot: hot.slices(batch_id="mine"),
        lambda hot: hot.slices(weeks=[MINE.week]),
        lambda hot: hot.slices_after(None, 20),
        lambda hot: hot.slices_after(slice_number(150), 20),
    ],
    ids=["of a batch", "of a week", "the first page", "a page in the middle"],
)
def test_the_cost_of_a_list_of_slices_does_not_grow_with_the_number_of_other_slices(
    counted: Counted, read: Callable[[SqliteHot], object]
) -> None:
    fill_slices(counted.hot, 0, 200)
    counted.hot.add_slices([MINE])
    before = counted.cost(lambda: read(counted.hot))

    fill_slices(counted.hot, 200, 20_000)

    assert counted.cost(lambda: read(counted.hot)) <= before


def test_the_cost_of_a_page_does_not_grow_with_the_number_of_rows_in_the_batch(counted: Counted) -> None:
    fill_rows(counted.hot, 0, 300)
    slices = counted.hot.slices(batch_id="b1")
    middle = key(user_id="0" * 28)
    before = counted.cost(lambda: counted.hot.rows_after(slices, AttemptRange(middle, 20)))

    fill_rows(counted.hot, 300, 6000)

    assert counted.cost(lambda: counted.hot.rows_after(slices, AttemptRange(middle, 20))) <= 2 * before


def test_a_deletion_does_not_write_the_pages_of_long_answers_again(tmp_path: Path) -> None:
    hot = SqliteHot(f"sqlite:///{tmp_path}/hot.sqlite")
    rows = [version(attempt_id=f"t{number}", answers=[answer("q" * 100_000)]) for number in range(20)]
    hot.add_rows(rows)
    with closing(sqlite3.connect(tmp_path / "hot.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    assert hot.delete([row.row_key for row in rows]) == 20

    assert (tmp_path / "hot.sqlite-wal").stat().st_size < 200_000
