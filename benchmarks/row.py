"""A row of the table of benchmarks: our cost, the cost of a peer and the limit, from the same run on the same data."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Latencies, Run

_ROUNDS: Final = 3
LATENCY: Final = "ms"
"""The unit of a row whose figures are times and not rates."""


class Missing(Exception):
    """A row or a peer cannot be measured here; the message says what is missing."""


class Size(NamedTuple):
    """How much is measured."""

    share: float = 1.0
    rounds: int = _ROUNDS

    def of(self, usual: int, least: int = 20) -> int:
        """A share of the usual amount."""
        return max(least, round(usual * self.share))


TINY: Final = Size(0.002, 1)
"""Shows that a row runs; its figures mean nothing."""


class Side(NamedTuple):
    """One of the three that are compared."""

    what: str
    amount: int
    """Units of work in each run."""
    runs: Sequence[Run]

    @property
    def seconds(self) -> float:
        """The median seconds of one unit."""
        return median(run.seconds for run in self.runs) / self.amount

    @property
    def cpu(self) -> float:
        """The median processor seconds of a run."""
        return median(run.cpu for run in self.runs)

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.runs)

    @property
    def latencies(self) -> Latencies | None:
        """The medians of the runs; None if requests were not measured one by one."""
        found = [run.result for run in self.runs if isinstance(run.result, Latencies)]
        return Latencies(*map(median, zip(*found, strict=True))) if found else None

    @property
    def spread(self) -> float:
        """The longest run divided by the shortest, minus one."""
        seconds = [run.seconds for run in self.runs]
        return max(seconds) / min(seconds) - 1


@dataclass(frozen=True)
class Row:
    """A claim of speed, measured."""

    name: str
    unit: str
    ours: Side
    peer: Side | None = None
    limit: Side | None = None
    note: str = ""

    def value(self, side: Side) -> float:
        """The figure of a side in the row's unit."""
        return side.seconds * 1000 if self.unit == LATENCY else 1 / side.seconds

    def times(self, side: Side) -> float:
        """How many times as fast as this side ours is."""
        return side.seconds / self.ours.seconds

    def times_by_cpu(self, side: Side) -> float | None:
        """The same by processor time, which other programs change less; None if it was not measured."""
        if not side.cpu or not self.ours.cpu:
            return None
        return side.cpu / side.amount * self.ours.amount / self.ours.cpu


def in_turn(size: Size, sides: Mapping[str, Callable[[], Run]]) -> dict[str, list[Run]]:
    """The runs of each side. The sides take turns, because the speed of the machine varies."""
    found: dict[str, list[Run]] = {name: [] for name in sides}
    for _ in range(size.rounds):
        for name, run in sides.items():
            found[name].append(run())
    return found


def machine() -> dict[str, Any]:
    """The machine, and how busy other programs keep it."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def as_json(row: Row) -> dict[str, Any]:
    """A row as plain values."""
    sides = {name: _side(row, side) for name in ("ours", "peer", "limit") if (side := getattr(row, name)) is not None}
    return {"name": row.name, "unit": row.unit, "note": row.note, **sides}


def _side(row: Row, side: Side) -> dict[str, Any]:
    return {
        "what": side.what,
        "value": row.value(side),
        "ours_is_times_as_fast": row.times(side),
        "the_same_by_cpu": row.times_by_cpu(side),
        "amount": side.amount,
        "seconds": [run.seconds for run in side.runs],
        "spread": side.spread,
        "cpu_seconds": side.cpu,
        "peak_bytes": side.peak,
        **({f"{name}_seconds": value for name, value in side.latencies._asdict().items()} if side.latencies else {}),
    }


def show(rows: Sequence[Row], console: Console) -> None:
    """Print a table, and below it what the peers and limits are."""
    with_latencies = any(side.latencies for row in rows for side in (row.ours, row.peer, row.limit) if side)
    table = Table(
        "row",
        "unit",
        "who",
        "figure",
        "ours is",
        "by CPU",
        "spread",
        "CPU s",
        "peak MB",
        *(["p50 ms", "p99 ms"] if with_latencies else []),
        box=None,
        padding=(0, 2, 0, 0),
    )
    for row in rows:
        for name in ("ours", "peer", "limit"):
            side: Side | None = getattr(row, name)
            if side is None:
                continue
            first = name == "ours"
            table.add_row(
                row.name if first else "",
                row.unit if first else "",
                name if first else f"{name}: {side.what}",
                _figure(row.value(side)),
                "" if first else f"{row.times(side):.2f} times",
                "" if first or (by_cpu := row.times_by_cpu(side)) is None else f"{by_cpu:.2f}",
                f"{side.spread:.0%}",
                f"{side.cpu:.2f}",
                f"{side.peak / 1e6:,.0f}",
                *(f"{seconds * 1000:.2f}" for seconds in side.latencies or ()),
            )
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.name}: {row.note}")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
