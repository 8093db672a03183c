"""`python -m benchmarks [SHARE]`: our rates beside the limits of this machine, measured in the same run.

SHARE scales the usual sizes (default 1); small shares give inaccurate rates.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from rich.console import Console
from rich.table import Table

from benchmarks import archiving, balance, command_line, exhaust, ingest_sqlite, stream, write_api


class Rates(Protocol):
    """The rate that a benchmark reached, and its limit."""

    @property
    def ours(self) -> float: ...

    @property
    def limit(self) -> float: ...


class Benchmark(NamedTuple):
    """A claim of speed."""

    what: str
    unit: str
    limit: str
    """What the limit measures."""
    run: Callable[[int], Rates]
    size: int


BENCHMARKS: Final = (
    Benchmark("decode and score through the dataflow", "events/s", "a plain loop", stream.main, 50_000),
    Benchmark("ingest into SQLite", "events/s", "only the upserts of the rows", ingest_sqlite.main, 50_000),
    Benchmark("write API, acknowledged", "requests/s", "appending to the log directly", write_api.main, 10_000),
    Benchmark("balance sheet", "versions/s", "counting without comparing", balance.main, 1_000_000),
    Benchmark("archive", "attempts/s", "a bare Delta write of the rows", archiving.main, 50_000),
    Benchmark("response exhaust", "rows/s", "COPY of the unnested rows", exhaust.main, 1_000_000),
    Benchmark("assess score", "starts/s", "a start of Python with click", command_line.score, 2_000),
    Benchmark("assess slices", "slices/s", "writing the rows as CSV", command_line.slices, 10_000),
)


def main(arguments: Sequence[str], benchmarks: Sequence[Benchmark] = BENCHMARKS) -> None:
    """Run all benchmarks, then print one table."""
    share = float(arguments[0]) if arguments else 1.0
    measured = [(one, one.run(max(1, round(one.size * share)))) for one in benchmarks]
    table = Table("", "ours", "limit", "ratio", "the limit is", box=None, padding=(0, 2, 0, 0))
    for one, found in measured:
        reached = f"{found.ours / found.limit:.2f}"
        table.add_row(one.what, f"{found.ours:,.0f} {one.unit}", f"{found.limit:,.0f}", reached, one.limit)
    console = Console(width=120)
    console.print()
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
