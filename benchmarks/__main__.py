"""`python -m benchmarks [--row NAME] [--size SIZE] [--rounds N]`: our cost beside a peer and the limit.

All are measured in the same run, on the same data. Prints one table, and writes it as JSON below benchmarks/results.
SIZE is a share of the usual amounts (default 1), or `tiny`, which shows only that the rows run. ASSESS_MEMORY bounds
archive, verify, clear, import and reports.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec
from rich.console import Console

from benchmarks import (
    archived,
    archiving,
    backfill,
    balance,
    command_line,
    erasing,
    exhaust,
    formats,
    graphql,
    growth,
    importing,
    ingest_sqlite,
    item_analysis,
    lake_s3,
    large,
    load,
    read_api,
    regrading,
    scale_out,
    servers,
    stream,
    write_api,
)
from benchmarks.row import TINY, Missing, Row, Size, as_json, machine, show

RESULTS: Final = Path(__file__).parent / "results"
Measure: TypeAlias = Callable[[Size], Row | list[Row]]


class Benchmark(NamedTuple):
    """A script that measures one or several rows on the same data."""

    measure: Measure
    is_cheap: bool = True
    """Whether its tiny size takes few seconds and needs no server."""


BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "decode": Benchmark(stream.decode_row),
    "decode-reference": Benchmark(stream.reference_row),
    "fold": Benchmark(ingest_sqlite.fold_row),
    "cassandra": Benchmark(servers.cassandra_rows, is_cheap=False),
    "kafka": Benchmark(servers.kafka_rows, is_cheap=False),
    "exhaust": Benchmark(exhaust.exhaust_rows),
    "formats": Benchmark(formats.format_rows, is_cheap=False),
    "large": Benchmark(large.large_rows, is_cheap=False),
    "archive": Benchmark(archiving.archiving_rows),
    "import": Benchmark(importing.importing_rows),
    "import-short": Benchmark(importing.short_rows, is_cheap=False),
    "s3": Benchmark(lake_s3.s3_rows, is_cheap=False),
    "backfill": Benchmark(backfill.backfill_row, is_cheap=False),
    "archived": Benchmark(archived.archived_rows),
    "graphql": Benchmark(graphql.graphql_rows),
    "score": Benchmark(command_line.score_row),
    "slices": Benchmark(command_line.slices_row),
    "write-api": Benchmark(write_api.write_api_row),
    "load": Benchmark(load.load_rows),
    "load-beside-overviews": Benchmark(load.beside_row, is_cheap=False),
    "balance": Benchmark(balance.balance_row),
    "read-api": Benchmark(read_api.read_api_rows, is_cheap=False),
    "analysis": Benchmark(item_analysis.analysis_rows),
    "regrade": Benchmark(regrading.regrading_rows),
    "erase": Benchmark(erasing.erasing_rows),
    "scale-out": Benchmark(scale_out.scale_out_row),
    "growth": Benchmark(growth.growth_rows, is_cheap=False),
}


def measure(
    names: Sequence[str], size: Size, console: Console, keep: Callable[[list[Row]], object] = lambda _: None
) -> list[Row]:
    """Measure the named benchmarks. One that needs something that is missing is named and left out.

    `keep` gets all rows so far after each benchmark.
    """
    rows: list[Row] = []
    for name in names:
        started = time.perf_counter()
        try:
            found = BENCHMARKS[name].measure(size)
        except Missing as missing:
            console.print(f"{name}: not measured, {missing}")
            continue
        rows += [found] if isinstance(found, Row) else found
        keep(rows)
        console.print(f"{name}: measured in {time.perf_counter() - started:.0f} s")
    return rows


def _size(text: str) -> Size:
    if text == "tiny":
        return TINY
    share = float(text)
    if not share > 0:
        raise ValueError
    return Size(share)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("--row", choices=list(BENCHMARKS), action="append", help="measure only this one")
    parser.add_argument("--size", type=_size, default=Size(), help="tiny, or a share of the usual amounts")
    parser.add_argument("--rounds", type=int, help="how often each row is measured")
    asked = parser.parse_args(arguments)
    size = asked.size if asked.rounds is None else asked.size._replace(rounds=asked.rounds)
    console, described = Console(width=140, highlight=False), machine()
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"

    def keep(rows: list[Row]) -> None:
        document = {"machine": described, "size": size._asdict(), "rows": list(map(as_json, rows))}
        target.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")

    rows = measure(asked.row or list(BENCHMARKS), size, console, keep)
    console.print()
    show(rows, console)
    console.print(", ".join(f"{name} {value}" for name, value in described.items()))
    if rows:
        console.print(f"written to {target}")


if __name__ == "__main__":
    main()
