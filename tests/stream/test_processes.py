"""`python -m stream tail` as a process: killed at any moment, stopped by a signal, and two at the same time."""

import gzip
import signal
import time
from pathlib import Path
from random import Random
from select import select

import pytest

from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import read_files
from assess_core.adapters.files.unread import unread
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.events import decode
from assess_core.domain.samples import sample_events
from assess_core.ports.facts import NoFacts
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from tests.properties.tables import tables
from tests.stream.processes import PATIENCE, stop, tailing, wait_until


@pytest.fixture
def log(settings: Settings) -> Path:
    folder = Path(settings.log)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def hot(settings: Settings) -> SqliteHot:
    return SqliteHot(settings.hot_store)


def hot_after_an_uninterrupted_run(log: Path) -> MemoryHot:
    hot = MemoryHot()
    for batch in read_files(find([str(log)], print), print):
        fold(map(decode, batch.records), hot, Checks(NoFacts()))
    return hot


def append(path: Path, lines: list[bytes]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(lines))


class Writing:
    """Whether the number of rows has changed since this object was created."""

    def __init__(self, hot: SqliteHot) -> None:
        self._hot, self._before = hot, self._rows(hot)

    def __call__(self) -> bool:
        return self._rows(self._hot) != self._before

    @staticmethod
    def _rows(hot: SqliteHot) -> int:
        return sum(hot.counts(hot.slices()).values())


@pytest.mark.long
def test_kills_at_any_moment_change_nothing(settings: Settings, log: Path, hot: SqliteHot) -> None:
    lines, random = list(sample_events(1500)), Random()
    parts = [lines[n : n + 300] for n in range(0, 1500, 300)]
    (log / "zipped.jsonl.gz").write_bytes(gzip.compress(b"".join(parts.pop())))
    for n, part in enumerate(parts):
        cut = len(part[-1]) // 2  # the last line is incomplete during the kill
        append(log / f"{n % 2}.jsonl", [*part[:-1], part[-1][:cut]])
        with tailing(settings) as process:
            wait_until(Writing(hot))
            time.sleep(random.random() * 0.1)  # a batch takes about 0.1 s from its first write to its commit
            process.kill()
            assert process.wait() == -signal.SIGKILL
        append(log / f"{n % 2}.jsonl", [part[-1][cut:]])
    with tailing(settings) as process:
        wait_until(lambda: unread(log, hot) is None)
        assert stop(process) == (0, "")
    assert tables(hot) == tables(hot_after_an_uninterrupted_run(log))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_stream_in_order(settings: Settings, log: Path, hot: SqliteHot, number: int) -> None:
    append(log / "a.jsonl", list(sample_events(20)))
    with tailing(settings) as process:
        wait_until(lambda: unread(log, hot) is None)
        assert stop(process, number) == (0, "")


def test_the_stream_waits_for_a_folder_that_does_not_exist_yet(settings: Settings, hot: SqliteHot) -> None:
    log = Path(settings.log)
    with tailing(settings) as process:
        assert process.stderr is not None
        assert select([process.stderr], [], [], PATIENCE)[0]
        assert process.stderr.readline().decode() == f"waiting for the folder {settings.log!r} (ASSESS_LOG)\n"
        log.mkdir(parents=True)
        append(log / "a.jsonl", list(sample_events(20)))
        wait_until(lambda: bool(hot.positions()) and unread(log, hot) is None)
        assert stop(process) == (0, "")


def test_two_simultaneous_streams_give_the_same_tables_as_one(settings: Settings, log: Path, hot: SqliteHot) -> None:
    with tailing(settings) as one, tailing(settings) as two:
        for n in range(4):
            append(log / f"{n}.jsonl", list(sample_events(300, seed=n)))
        wait_until(lambda: bool(hot.positions()) and unread(log, hot) is None)
        assert (stop(one), stop(two)) == ((0, ""), (0, ""))
    assert tables(hot) == tables(hot_after_an_uninterrupted_run(log))


def test_an_invalid_setting_ends_the_stream_with_a_message(settings: Settings) -> None:
    with tailing(settings._replace(log="ftp://somewhere")) as process:
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (2, b"assess: ASSESS_LOG: 'ftp://somewhere' is not a path; use a folder\n")


def test_a_log_that_is_not_a_folder_ends_the_stream_with_a_message(settings: Settings) -> None:
    Path(settings.log).parent.mkdir()
    Path(settings.log).write_bytes(b"")
    with tailing(settings) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert errors.decode() == (
        f"assess: {settings.log!r} cannot be read: Not a directory; check its name and permissions\n"
    )
