"""The benchmarks run at a tiny size, at which their figures have no meaning."""

import pytest

from benchmarks import archived, reads
from benchmarks.__main__ import BENCHMARKS, main


def test_every_benchmark_prints_its_rate_and_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    main(["0.001"])
    printed = capsys.readouterr().out
    for benchmark in BENCHMARKS:
        assert f"{benchmark.what} " in printed
        assert benchmark.limit in printed


def test_the_benchmark_of_reads_prints_a_line_for_each_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.slices._CALLS", 1)

    reads.main(["0.001"])

    printed = capsys.readouterr().out
    assert printed.count("(1.0x)") >= 6
    assert len([line for line in printed.splitlines() if "x)" in line]) == len(reads.SLICES) + len(reads.ATTEMPTS)


def test_the_benchmark_of_archived_attempts_prints_each_read(capsys: pytest.CaptureFixture[str]) -> None:
    archived.main(["0.001"])

    printed = capsys.readouterr().out
    assert all(f"attempt, {read} " in printed for read in ("cold", "union", "warm", "limit"))
    assert all(f"manifest of a slice, {read} " in printed for read in ("cold", "warm"))
