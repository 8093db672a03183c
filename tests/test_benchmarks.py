"""The benchmarks run at a tiny size; their figures mean nothing there."""

import pytest

from benchmarks.__main__ import BENCHMARKS, main


def test_every_benchmark_gives_a_rate_beside_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    main(["0.001"])
    said = capsys.readouterr().out
    for benchmark in BENCHMARKS:
        assert f"{benchmark.what} " in said
        assert benchmark.limit in said
