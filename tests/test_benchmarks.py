"""The benchmarks run at a tiny size, at which their figures have no meaning."""

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from benchmarks import reads
from benchmarks.__main__ import BENCHMARKS, measure
from benchmarks.measure import Run, Work, alone
from benchmarks.row import LATENCY, TINY, Row, Side, as_json, show


@pytest.mark.long
def test_every_cheap_benchmark_measures_rows_with_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.spark.is_set_up", lambda: False)  # test_spark.py runs Spark
    # forty processes, whose imports take longer than their work: they fork from one that has imported everything
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["benchmarks.__main__"])
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: forking)
    cheap = [name for name, benchmark in BENCHMARKS.items() if benchmark.is_cheap]

    rows = measure(cheap, TINY, Console(quiet=True))

    names = {row.name for row in rows}
    assert names >= {"decode", "fold-sqlite", "exhaust-hot", "exhaust-lake", "archive", "verify", "clear", "manifest"}
    assert names >= {"archived-attempt", "graphql-score", "graphql-attempts", "assess score", "assess slices", "import"}
    assert names >= {"load-rest-memory-8", "load-page-archived-8", "load-write-8", "load-beside-overviews"}
    assert names >= {"regrade dry run", "regrade apply", "erase 1", "erase 1,000: check"}
    for row in rows:
        assert row.limit is not None
        assert all(run.seconds > 0 and run.peak > 0 for run in row.ours.runs)


@contextmanager
def with_a_large_child(megabytes: int) -> Iterator[Work]:
    code = f"x = b'x' * ({megabytes} << 20); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield child.stdout.readline
        child.stdin.close()


@pytest.mark.long
def test_the_peak_memory_of_a_run_includes_its_children() -> None:
    assert alone(with_a_large_child, 300).peak > 300 << 20


def test_a_row_shows_medians_and_how_many_times_as_fast_ours_is(capsys: pytest.CaptureFixture[str]) -> None:
    ours = Side("us", 100, [Run(1.0, 1.0, 1_000_000), Run(5.0, 1.0, 3_000_000), Run(2.0, 1.0, 1_000_000)])
    peer = Side("them", 10, [Run(0.8, 0.8, 1_000_000)])

    row = Row("work", "events/s", ours, peer)
    show([row], Console(width=140))

    assert (row.value(ours), row.value(peer), row.times(peer)) == (50, 12.5, 4)
    printed = capsys.readouterr().out
    assert "4.00 times" in printed
    assert as_json(row)["ours"]["peak_bytes"] == 3_000_000
    assert Row("read", LATENCY, peer).value(peer) == pytest.approx(80)


@pytest.mark.long
def test_the_benchmark_of_reads_prints_a_line_for_each_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.slices._CALLS", 1)

    reads.main(["0.001"])

    printed = capsys.readouterr().out
    assert printed.count("(1.0x)") >= 6
    assert len([line for line in printed.splitlines() if "x)" in line]) == len(reads.SLICES) + len(reads.ATTEMPTS)
