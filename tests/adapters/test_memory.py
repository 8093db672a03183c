"""The memory of DuckDB: all connections of a process share one budget."""

import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from assess_core.adapters.duckdb.connection import connect
from assess_core.adapters.duckdb.memory import (
    LEAST,
    MOST,
    MemoryBudget,
    available_memory,
    for_duckdb,
    most_threads,
)
from assess_core.errors import StoreUnavailable


@pytest.mark.parametrize("total", [100_000_000, 1_000_000_000, 4_000_000_000, 64_000_000_000])
def test_open_connections_never_get_more_than_the_budget_together(total: int) -> None:
    budget = MemoryBudget(total)
    shares: list[int] = []
    with ExitStack() as opened:
        with suppress(StoreUnavailable):
            while len(shares) < 1000:
                shares.append(opened.enter_context(budget.share(wait=0)))
        with pytest.raises(StoreUnavailable, match="raise ASSESS_MEMORY"):
            opened.enter_context(budget.share(wait=0))
    assert sum(shares) <= total
    assert all(LEAST <= share <= MOST for share in shares)


def test_a_budget_below_the_minimum_still_opens_one_connection() -> None:
    budget = MemoryBudget(10_000_000)
    with budget.share() as share:
        assert share == 10_000_000
        with pytest.raises(StoreUnavailable), budget.share(wait=0):
            pass


def test_a_connection_waits_until_another_one_closes() -> None:
    budget = MemoryBudget(LEAST)
    with ExitStack() as first:
        first.enter_context(budget.share())
        closing = threading.Timer(0.1, first.pop_all().close)
        closing.start()
        with budget.share(wait=20) as share:
            assert share == LEAST
        closing.join()


def test_a_connection_that_closes_returns_its_share() -> None:
    budget = MemoryBudget(MOST)
    for _ in range(100):
        with budget.share(wait=0) as share:
            assert share == MOST // 2


def test_a_connection_of_duckdb_has_the_limit_of_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assess_core.adapters.duckdb.connection.BUDGET", MemoryBudget(512 * 1024 * 1024))
    with connect() as first, connect() as second:
        limits = [duck.execute("SELECT current_setting('memory_limit')").fetchall() for duck in (first, second)]
    assert limits == [[("256.0 MiB",)], [("128.0 MiB",)]]


@pytest.mark.parametrize(("share", "threads"), [(LEAST, 1), (249_000_000, 1), (250_000_000, 2), (MOST, 8)])
def test_each_thread_has_room_in_the_share(share: int, threads: int) -> None:
    assert most_threads(share) == threads


def test_a_connection_with_a_small_share_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assess_core.adapters.duckdb.connection.BUDGET", MemoryBudget(LEAST))
    with connect() as duck:
        assert duck.execute("SELECT current_setting('threads')").fetchall() == [(1,)]


@pytest.mark.parametrize(("size", "threads"), [(0, 1), (1024 * 1024, 1), (1024 * 1024 + 1, 2), (None, 2)])
def test_a_connection_that_reads_few_bytes_has_one_thread(
    size: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assess_core.adapters.duckdb.connection.BUDGET", MemoryBudget(500_000_000))
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    with connect(size=size) as duck:
        assert duck.execute("SELECT current_setting('threads')").fetchall() == [(threads,)]


# --- the default ---


@pytest.mark.parametrize(
    "file", ["sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/a/memory.max"]
)
def test_the_process_may_use_the_memory_limit_of_its_control_group(file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("300000000\n")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")

    assert available_memory(tmp_path) == 300_000_000


def test_without_a_limit_the_process_may_use_the_memory_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")

    assert available_memory(tmp_path) == psutil.virtual_memory().total


def test_a_process_keeps_400_mb_beside_duckdb_and_duckdb_gets_at_least_half() -> None:
    assert for_duckdb(1_000_000_000) == 600_000_000
    assert for_duckdb(512_000_000) == 256_000_000
