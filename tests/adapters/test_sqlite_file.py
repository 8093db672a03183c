"""The file of the SQLite store: older versions, permissions, and processes that fork."""

import gc
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from assess_core.adapters.sqlite import schema, tables
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadSettings, NotOurTable, StoreUnavailable
from assess_core.ports.findings import Level
from assess_core.ports.log import Position
from tests.adapters.test_sqlite import SLICE, at, execute
from tests.factories import version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hot.sqlite"


# --- an older store ---

VERSION_1 = [
    *tables.VERSIONS[1],
    "INSERT INTO meta VALUES ('shards', '2'), ('shard_hash', 'first 4 bytes of SHA-256'), ('schema_version', '1')",
    "INSERT INTO slices VALUES (2024, 5, 'b1'), (2024, 5, 'b2'), (2024, 6, 'b1')",
]


@pytest.fixture
def older(path: Path) -> Path:
    """A store with version 1 of the schema, and slices of two batches."""
    for sql in VERSION_1:
        execute(path, sql)
    return path


def test_a_store_of_version_1_is_upgraded_when_it_is_opened(older: Path) -> None:
    hot = SqliteHot(at(older))

    assert hot.shards == 2
    assert [str(slice_) for slice_ in hot.slices(batch_id="b1")] == ["b1|2024-W05", "b1|2024-W06"]
    assert execute(older, "SELECT value FROM meta WHERE name = 'schema_version'") == [(str(tables.SCHEMA_VERSION),)]
    assert SqliteHot(at(older)).slices() == hot.slices()


def test_an_older_process_can_still_write_after_the_upgrade_and_its_slices_are_found_by_batch(older: Path) -> None:
    with closing(sqlite3.connect(older, isolation_level=None)) as before:
        before.execute("SELECT * FROM slices").fetchall()
        hot = SqliteHot(at(older))

        before.execute("INSERT INTO slices VALUES (2024, 7, 'b1')")

    assert ArchiveSlice(IsoWeek(2024, 7), "b1") in hot.slices(batch_id="b1")


def test_an_upgrade_that_fails_does_not_change_the_older_store(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = execute(older, "SELECT name, sql FROM sqlite_master")
    with monkeypatch.context() as patched:
        patched.setitem(tables.VERSIONS, tables.SCHEMA_VERSION, (*tables.VERSIONS[tables.SCHEMA_VERSION], "no SQL"))
        with pytest.raises(StoreUnavailable):
            SqliteHot(at(older))

    assert execute(older, "SELECT name, sql FROM sqlite_master") == shape
    assert len(SqliteHot(at(older)).slices()) == 3


def test_a_later_version_can_add_a_column(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = tables.SCHEMA_VERSION + 1
    monkeypatch.setitem(tables.VERSIONS, last, ("ALTER TABLE positions ADD COLUMN later BLOB",))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", last)
    SqliteHot(at(older)).commit({"a.jsonl": Position(1, 2)})

    SqliteHot(at(older.with_name("new.sqlite")))

    assert execute(older, "SELECT * FROM positions") == [("a.jsonl", 1, 2, b"", None)]
    assert SqliteHot(at(older)).positions() == {"a.jsonl": Position(1, 2)}  # a second open accepts the shape


def test_a_position_of_an_older_version_has_no_proof(older: Path) -> None:
    execute(older, "INSERT INTO positions VALUES ('a.jsonl', 1, 2)")

    assert SqliteHot(at(older)).positions() == {"a.jsonl": Position(1, 2, b"")}


def test_an_older_store_with_a_table_of_another_shape_is_refused_and_not_changed(older: Path) -> None:
    execute(older, "ALTER TABLE positions ADD COLUMN note TEXT")

    with pytest.raises(NotOurTable, match=r"table 'positions' .* is missing or has another shape"):
        SqliteHot(at(older))

    assert execute(older, "SELECT value FROM meta WHERE name = 'schema_version'") == [("1",)]


def test_a_store_of_a_later_version_is_refused(path: Path) -> None:
    SqliteHot(at(path))
    execute(path, "UPDATE meta SET value = '99' WHERE name = 'schema_version'")

    with pytest.raises(BadSettings, match="was made with schema version 99, not"):
        SqliteHot(at(path))


# --- permissions ---


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_this_user_can_read_the_files_for_any_umask(tmp_path: Path, umask: int) -> None:
    file = tmp_path / "home" / "hot" / "hot.sqlite"
    before = os.umask(umask)
    try:
        hot = SqliteHot(at(file))
        hot.add_rows([version()])
        modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == {"hot.sqlite": 0o600, "hot.sqlite-wal": 0o600, "hot.sqlite-shm": 0o600}
    assert [folder.stat().st_mode & 0o777 for folder in (file.parent, file.parent.parent)] == [0o700, 0o700]


def test_existing_files_and_folders_keep_their_mode_and_the_doctor_reports_who_can_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o755)
    file = folder / "hot.sqlite"
    file.touch()
    file.chmod(0o644)
    hot = SqliteHot(at(file))

    [ok, warning] = hot.examine()

    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o755, 0o644)
    assert ok.level is Level.OK
    assert warning.level is Level.WARN
    assert "other users of this machine can read" in warning.message
    assert warning.action is not None
    subprocess.run(warning.action.replace("; ", " && "), shell=True, check=True)
    assert [finding.level for finding in hot.examine()] == [Level.OK]


# --- forks ---


def run_in_fork(work: Callable[[], object]) -> int:
    """Do this work in a child, and return its exit code: 0 unless the work raises or hangs."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_has_no_open_file_of_its_parents_store(path: Path) -> None:
    hot = SqliteHot(at(path))
    hot.add_rows([version()])

    def check() -> None:
        links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert not [link for link in links if link.startswith(str(path))]

    assert run_in_fork(check) == 0
    assert hot.counts([SLICE]) == {SLICE: 1}


def test_parent_and_child_can_both_write_a_store_that_was_open_before_the_fork(path: Path) -> None:
    hot = SqliteHot(at(path))
    hot.add_rows([version(user_id="before")])
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            hot.add_rows([version(user_id="parent", attempt_id=f"t{number}")])
            number += 1
        written.append(number)

    written: list[int] = []
    writer = threading.Thread(target=write)
    writer.start()
    try:
        codes = [
            run_in_fork(lambda child=child: hot.add_rows([version(user_id=f"child{child}")]))  # type: ignore[misc]
            for child in range(10)
        ]
    finally:
        stop.set()
        writer.join()

    assert codes == [0] * 10
    assert hot.counts([SLICE]) == {SLICE: 1 + 10 + written[0]}
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


def test_closing_the_store_in_the_parent_keeps_the_write_ahead_log_for_the_child(path: Path) -> None:
    hot = SqliteHot(at(path))
    hot.add_rows([version()])
    ours, theirs = os.pipe(), os.pipe()

    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            hot.add_rows([version(user_id="child")])
            os.write(theirs[1], b".")
            os.read(ours[0], 1)
            hot.add_rows([version(user_id="child", attempt_id="t2")])
        finally:
            os._exit(0)
    os.read(theirs[0], 1)
    del hot
    gc.collect()
    wal = path.with_name("hot.sqlite-wal")
    assert wal.exists()  # the child has it open
    os.write(ours[1], b".")
    os.waitpid(child, 0)

    assert SqliteHot(at(path)).counts([SLICE]) == {SLICE: 3}
