"""`python -m benchmarks.slices`: what reads of slices and pages cost while the history grows, in SQLite.

Slices: 10^3 to 10^6 of them, a thousand batches a week. Pages: 20 attempts of a batch of 10^3 to 10^5 rows in 12 weeks.
Each figure is the median of some calls, in milliseconds. It should not grow from line to line.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console
from rich.table import Table

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.chunks import chunks
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, make_version
from assess_core.domain.slices import WEEK, ArchiveSlice, IsoWeek
from assess_core.ports.hot_store import AttemptRange, HotStore

SLICES: Final = (1_000, 10_000, 100_000, 1_000_000)
ROWS: Final = (1_000, 10_000, 100_000)
_BATCHES: Final = 1000  # a week
_FIRST: Final = IsoWeek(2004, 1).start
_WEEKS: Final = 12
_PAGE: Final = 20
_CALLS: Final = 25


def slice_number(number: int) -> ArchiveSlice:
    return ArchiveSlice.of(f"batch-{number % _BATCHES:04}", _FIRST + number // _BATCHES * WEEK)


def fill_slices(hot: HotStore, first: int, last: int) -> None:
    for some in chunks(map(slice_number, range(first, last)), 50_000):
        hot.add_slices(some)


def milliseconds(call: Callable[[], object]) -> float:
    """The median of some calls."""
    taken = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return median(taken) * 1000


def of_slices(hot: HotStore, count: int) -> list[float]:
    """A batch that has two slices, the slices of a week's first page, and a page from the middle."""
    hot.add_slices([ArchiveSlice.of("of two weeks", _FIRST + week * WEEK) for week in (3, 5)])
    return [
        milliseconds(lambda: hot.slices(batch_id="of two weeks")),
        milliseconds(lambda: hot.slices_after(None, 100)),
        milliseconds(lambda: hot.slices_after(slice_number(count // 2), 100)),
    ]


def versions(first: int, last: int) -> Iterator[AttemptVersion]:
    for number in range(first, last):
        key = AttemptKey(
            f"{number * 7919 % 1_000_003:032x}", "do_11309286", "b1", f"do_{number % 10}", f"{number:032x}"
        )
        at = _FIRST + number % _WEEKS * WEEK + number
        answer = Answer("q1", at, 1.0, 1.0, "mcq", "What?", [{"1": '{"text":"A"}'}], [], None, 3.0)
        yield make_version(key, at, [answer], at + 500)


def fill_rows(hot: HotStore, first: int, last: int) -> None:
    for some in chunks(versions(first, last), 5000):
        hot.add_slices({row.slice for row in some})
        hot.add_rows(some)


def of_pages(hot: HotStore) -> list[float]:
    """The first page, one from the middle, and one of an assessment that has a tenth of the attempts."""
    slices = hot.slices(batch_id="b1")
    middle = AttemptKey(f"{500_000:032x}", "", "b1", "", "")
    return [
        milliseconds(lambda: hot.rows_after(slices, AttemptRange(None, _PAGE))),
        milliseconds(lambda: hot.rows_after(slices, AttemptRange(middle, _PAGE))),
        milliseconds(lambda: hot.rows_after(slices, AttemptRange(middle, _PAGE, content_id="do_3"))),
    ]


def main(arguments: Sequence[str]) -> None:
    """Measure both and print a table of each. An argument is the share of the usual sizes."""
    share = float(arguments[0]) if arguments else 1.0
    with TemporaryDirectory() as folder:
        hot = SqliteHot(f"sqlite:///{Path(folder) / 'slices.sqlite'}")
        table = Table("slices", "of a batch, ms", "first page of 100, ms", "middle page, ms", box=None, padding=(0, 2))
        before = 0
        for size in SLICES:
            count = max(1, round(size * share))
            fill_slices(hot, before, count)
            before = count
            table.add_row(f"{count:,}", *(f"{taken:.2f}" for taken in of_slices(hot, count)))
        Console(width=120).print(table)
        pages = SqliteHot(f"sqlite:///{Path(folder) / 'pages.sqlite'}")
        table = Table("rows", "first page, ms", "middle page, ms", "of an assessment, ms", box=None, padding=(0, 2))
        before = 0
        for size in ROWS:
            count = max(1, round(size * share))
            fill_rows(pages, before, count)
            before = count
            table.add_row(f"{count:,}", *(f"{taken:.2f}" for taken in of_pages(pages)))
        Console(width=120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
