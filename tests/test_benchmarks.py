"""The benchmarks run at a tiny size; their figures mean nothing there."""

import pytest

from benchmarks import archived, reads
from benchmarks.__main__ import BENCHMARKS, main


def test_every_benchmark_gives_a_rate_beside_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    main(["0.001"])
    said = capsys.readouterr().out
    for benchmark in BENCHMARKS:
        assert f"{benchmark.what} " in said
        assert benchmark.limit in said


def test_the_benchmark_of_reads_prints_a_line_for_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    reads.main(["0.001"])

    said = capsys.readouterr().out
    assert said.count("(1.0x)") >= 6
    assert len([line for line in said.splitlines() if "x)" in line]) == len(reads.SLICES) + len(reads.ATTEMPTS)


def test_the_benchmark_of_archived_attempts_prints_each_read(capsys: pytest.CaptureFixture[str]) -> None:
    archived.main(["0.001"])

    printed = capsys.readouterr().out
    assert all(f"attempt, {read} " in printed for read in ("cold", "union", "warm", "limit"))
    assert all(f"manifest of a slice, {read} " in printed for read in ("cold", "warm"))
