"""Properties that only the SQLite store has: a file, several processes, settings that never change."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite import connections
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.adapters.sqlite.url import parse_sqlite_url
from assess_core.domain.events import Accepted
from assess_core.domain.scores import Entry
from assess_core.domain.shards import shard_of
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import AssessError, BadSettings, NotOurTable, StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.ports.log import Position
from assess_core.usecases.folding import Checks, fold
from tests.factories import ATTEMPTED, RECEIVED, accepted, answer, event, version
from tests.forked import Forked

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
SLICE = ArchiveSlice.of("b1", RECEIVED)


def at(path: Path, options: str = "") -> str:
    return f"sqlite:///{path}{options}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hot.sqlite"


# --- path and URL ---


def test_the_parent_folder_is_created(tmp_path: Path) -> None:
    SqliteHot(at(tmp_path / "a" / "b" / "hot.sqlite"))

    assert (tmp_path / "a" / "b" / "hot.sqlite").is_file()


def test_three_slashes_are_relative_and_four_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    relative = parse_sqlite_url("sqlite:///home/hot.sqlite")
    absolute = parse_sqlite_url("sqlite:////home/hot.sqlite")

    assert relative == (tmp_path / "home" / "hot.sqlite", None)
    assert absolute == (Path("/home/hot.sqlite"), None)


def test_a_path_is_not_percent_decoded(tmp_path: Path) -> None:
    odd = tmp_path / "50%20off, why? 'é' \U0001f600#1" / "hot.sqlite"

    SqliteHot(at(odd, "?shards=2"))

    assert odd.is_file()
    assert SqliteHot(at(odd)).shards == 2


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite://hot.sqlite", "sqlite:///folder/", "sqlite:///?shards=4"])
def test_the_error_for_a_url_without_a_file_shows_the_format(url: str) -> None:
    with pytest.raises(BadSettings, match=r"ASSESS_HOT_STORE: .* does not name a file; write sqlite:///PATH"):
        SqliteHot(url)


@pytest.mark.parametrize("options", ["?shards=0", "?shards=1025", "?shards=x", "?shard=4", "?", "?shards=4&x=1"])
def test_the_error_for_an_invalid_option_shows_the_format(path: Path, options: str) -> None:
    with pytest.raises(BadSettings, match=r"ASSESS_HOT_STORE: .* is not an option; write \?shards=N"):
        SqliteHot(at(path, options))

    assert not path.exists()


# --- settings that are fixed when the store is created ---


def test_a_store_has_one_shard_by_default(path: Path) -> None:
    assert SqliteHot(at(path)).shards == 1


def test_the_number_of_shards_is_fixed_when_the_store_is_created(path: Path) -> None:
    SqliteHot(at(path, "?shards=7"))

    assert SqliteHot(at(path)).shards == SqliteHot(at(path, "?shards=7")).shards == 7
    with pytest.raises(
        BadSettings, match="was made with number of shards 7, not 4; use that number of shards, or name another"
    ):
        SqliteHot(at(path, "?shards=4"))


@pytest.mark.parametrize(("name", "what"), [("schema_version", "schema version"), ("shard_hash", "hash of shards")])
def test_a_store_with_other_fixed_settings_is_refused_and_the_difference_is_named(
    path: Path, name: str, what: str
) -> None:
    SqliteHot(at(path))
    execute(path, f"UPDATE meta SET value = 'another' WHERE name = '{name}'")

    with pytest.raises(BadSettings, match=f"was made with {what} another, not"):
        SqliteHot(at(path))


def test_a_file_that_is_not_a_database_is_refused_and_not_changed(path: Path) -> None:
    path.write_bytes(b"these are somebody's notes\n" * 100)

    with pytest.raises(NotOurTable, match="is not a SQLite database; name another file in ASSESS_HOT_STORE"):
        SqliteHot(at(path))

    assert path.read_bytes() == b"these are somebody's notes\n" * 100


@pytest.mark.parametrize("table", ["moz_places (id INTEGER)", "meta (name TEXT)"])
def test_a_database_of_another_program_is_refused_and_not_changed(path: Path, table: str) -> None:
    execute(path, f"CREATE TABLE {table}")

    with pytest.raises(NotOurTable, match="holds tables of another program"):
        SqliteHot(at(path))

    assert execute(path, "SELECT count(*) FROM sqlite_master") == [(1,)]


def test_a_table_of_another_shape_is_refused_and_named(path: Path) -> None:
    SqliteHot(at(path))
    execute(path, "ALTER TABLE assessment_aggregator ADD COLUMN note TEXT")

    with pytest.raises(NotOurTable, match=r"table 'assessment_aggregator' .* is missing or has another shape"):
        SqliteHot(at(path))


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()

    assert SqliteHot(at(path)).slices() == []


# --- several processes and threads ---


def some_events(first: int, last: int) -> list[Accepted]:
    """Events of a few learners; the same numbers are the same events."""
    return [
        accepted(event(user=f"u{number % 7}", content=f"a{number % 3}", attempt=f"t{number}"), offset=number)
        for number in range(first, last)
    ]


def fold_some(path: str, first: int, last: int) -> None:
    """The work of a separate process: fold events in batches of 100."""
    hot = SqliteHot(at(Path(path)))
    for start in range(first, last, 100):
        fold(some_events(start, start + 100), hot, Checks(NoFacts()))


def start_folding(path: Path, first: int, last: int) -> Forked[bytes]:
    code = f"from tests.adapters.test_sqlite import fold_some; fold_some({str(path)!r}, {first}, {last})"
    return Forked(["-c", code])


@pytest.mark.long
def test_processes_that_create_the_store_and_fold_at_the_same_time_lose_nothing(path: Path) -> None:
    processes = [start_folding(path, first, first + 400) for first in (0, 200, 200)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]

    alone = MemoryHot()
    fold(some_events(0, 600), alone, Checks(NoFacts()))
    together = SqliteHot(at(path))
    assert content(together) == content(alone)


def content(hot: SqliteHot | MemoryHot) -> tuple[object, ...]:
    return (
        [(user_id, sorted(learner.entries), learner.summaries) for user_id, learner in hot.all_learners()],
        list(hot.all_activities()),
        hot.counts(hot.slices()),
    )


def test_threads_can_share_a_store(path: Path) -> None:
    hot = SqliteHot(at(path))

    def write(number: int) -> None:
        hot.add_rows([version(user_id=f"u{number}", attempt_id=f"t{attempt}") for attempt in range(50)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))

    assert hot.counts([SLICE]) == {SLICE: 400}


def test_another_thread_can_continue_a_scan(path: Path) -> None:
    hot = SqliteHot(at(path))
    hot.add_rows([version(user_id="u1", attempt_id=f"t{number}") for number in range(2500)])
    batches = hot.scan(SLICE)[shard_of("u1", hot.shards)]
    first = next(batches).num_rows
    rest: list[int] = []

    thread = threading.Thread(target=lambda: rest.extend(batch.num_rows for batch in batches))
    thread.start()
    thread.join()

    assert first < 2500
    assert first + sum(rest) == 2500


def test_a_paused_scan_does_not_block_checkpoints_of_the_write_ahead_log(path: Path) -> None:
    hot = SqliteHot(at(path))
    hot.add_rows([version(user_id="u1", attempt_id=f"t{number}") for number in range(2500)])
    batches = hot.scan(SLICE)[shard_of("u1", hot.shards)]
    next(batches)

    hot.add_rows([version(user_id="u2")])

    [(busy, _, _)] = execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    assert busy == 0
    assert (path.parent / "hot.sqlite-wal").stat().st_size == 0


def test_a_batch_of_large_rows_is_bounded_by_bytes(path: Path) -> None:
    hot = SqliteHot(at(path))
    large = answer(id="q" * 1000)
    answers = [msgspec.structs.replace(large, title="x" * 5_000_000)]
    hot.add_rows([version(user_id="u1", attempt_id=f"t{number}", answers=answers) for number in range(10)])

    batches = list(hot.scan(SLICE)[shard_of("u1", hot.shards)])

    assert [batch.num_rows for batch in batches] == [7, 3]


# --- errors ---


@contextmanager
def no_right_to_write(folder: Path) -> Iterator[None]:
    """The folder and its files are read-only. Root becomes another user, because root can always write."""
    paths = [folder, *folder.iterdir()]
    modes = [path.stat().st_mode for path in paths]
    for path, mode in zip(paths, modes, strict=True):
        path.chmod(mode & ~0o222)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can list. The folders of pytest are private."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_the_error_for_a_folder_without_write_permission_says_what_to_do(folder: Path) -> None:
    with no_right_to_write(folder), pytest.raises(StoreUnavailable, match="let this user write the file and its fold"):
        SqliteHot(at(folder / "hot.sqlite"))


def test_the_error_for_a_folder_that_cannot_be_created_says_what_to_do(folder: Path) -> None:
    with no_right_to_write(folder), pytest.raises(StoreUnavailable, match=r"cannot be made: .*; make it, or name"):
        SqliteHot(at(folder / "below" / "hot.sqlite"))


def test_a_store_without_write_permission_can_be_read_but_not_written(folder: Path) -> None:
    ours = SqliteHot(at(folder / "hot.sqlite"))
    ours.add_rows([version()])
    for file in folder.iterdir():
        file.chmod(0o644)

    with no_right_to_write(folder):
        theirs = SqliteHot(at(folder / "hot.sqlite"))
        assert theirs.counts([SLICE]) == {SLICE: 1}
        with pytest.raises(StoreUnavailable, match="it may not be written; let this user write the file and its fold"):
            theirs.add_rows([version()])


def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir()

    with pytest.raises(StoreUnavailable, match="it cannot be opened"):
        SqliteHot(at(path))


def test_a_full_disk_loses_no_acknowledged_event(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = connections.connect

    def limited(path: Path, busy_seconds: float) -> sqlite3.Connection:
        connection = connect(path, busy_seconds)
        connection.execute("PRAGMA max_page_count = 100")
        return connection

    first, second = some_events(0, 20), some_events(20, 1000)
    with monkeypatch.context() as full:
        full.setattr(connections, "connect", limited)
        hot = SqliteHot(at(path))
        fold(first, hot, Checks(NoFacts()))
        with pytest.raises(StoreUnavailable, match="there is no room left; free some space and run again; nothing ack"):
            fold(second, hot, Checks(NoFacts()))

    assert SqliteHot(at(path)).counts([SLICE]) == {SLICE: 20}
    alone = MemoryHot()
    again = SqliteHot(at(path))
    for batch in (first, second):
        fold(batch, alone, Checks(NoFacts()))
        fold(batch, again, Checks(NoFacts()))
    assert content(again) == content(alone)


def test_an_interrupted_write_is_rolled_back_and_the_next_one_works(path: Path) -> None:
    hot = SqliteHot(at(path))

    with pytest.raises(OverflowError):
        hot.commit({"a.jsonl": Position(1, 0), "b.jsonl": Position(2**70, 0)})
    assert hot.positions() == {}

    hot.commit({"a.jsonl": Position(1, 0)})
    assert hot.positions() == {"a.jsonl": Position(1, 0)}


def test_the_error_for_a_disk_that_refuses_to_write_says_what_to_do(path: Path) -> None:
    """Runs in a separate process with a limit of 300 kB per file."""
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from tests.adapters.test_sqlite import fold_until_refused; fold_until_refused({str(path)!r})",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "run again" in process.stdout
    assert "nothing acknowledged is lost" in process.stdout


def fold_until_refused(path: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        fold_some(path, 0, 10_000)
    except AssessError as error:
        print(error)


def test_a_write_to_a_store_that_stays_locked_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = connections.connect
    monkeypatch.setattr(connections, "connect", lambda file, _seconds: connect(file, 0.05))
    hot = SqliteHot(at(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="another process has kept it locked for 30 s; run again"):
        hot.add_rows([version()])
    assert hot.counts([SLICE]) == {SLICE: 0}  # readers do not wait

    other.close()
    hot.add_rows([version()])
    assert hot.counts([SLICE]) == {SLICE: 1}


def test_the_error_for_a_damaged_file_says_what_to_do(path: Path) -> None:
    hot = SqliteHot(at(path))
    hot.add_entries([Entry.of(version(user_id=f"u{number}", attempted=ATTEMPTED)) for number in range(3000)])
    execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * (path.stat().st_size - 20 * 4096))

    with pytest.raises(StoreUnavailable, match="it is damaged; restore a copy of it, or move it away and ingest"):
        list(SqliteHot(at(path)).all_learners())


def execute(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        with connection:
            return connection.execute(sql).fetchall()
    finally:
        connection.close()
