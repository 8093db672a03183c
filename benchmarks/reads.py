"""`python -m benchmarks.reads [SHARE]`: the overview and pages of a batch, while history and batch grow.

First a batch of 1,000 attempts among 10^3 to 10^6 slices, then a batch of 10^3 to 10^5 attempts. Half of the attempts
are in the hot store (SQLite), half in the lake. Figures are medians in milliseconds, with the ratio to the first line.
The time of a page should not grow in either table. The time of the overview should grow only in the second one, because
it counts the whole batch.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console
from rich.table import Table

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.chunks import chunks
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, make_version
from assess_core.domain.moments import DAY
from assess_core.domain.slices import WEEK, IsoWeek
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.paging import cursor
from assess_core.usecases.queries import Queries
from assess_core.wiring import open_stores
from benchmarks.slices import fill_slices, milliseconds

SLICES: Final = (1_000, 10_000, 100_000, 1_000_000)
ATTEMPTS: Final = (1_000, 10_000, 100_000)
BATCH: Final = "the batch"
_WEEKS: Final = 4
FIRST: Final = IsoWeek(2024, 5).start
NOW: Final = FIRST + 52 * WEEK


def versions(count: int) -> Iterator[AttemptVersion]:
    """The attempts of the batch, five for each learner, spread over its weeks."""
    for number in range(count):
        key = AttemptKey(f"{number // 5 * 7919 % 1_000_003:032x}", "do_11309286", BATCH, "do_1", f"{number:032x}")
        at = FIRST + number % _WEEKS * WEEK + number
        params = [{"1": '{"text":"A=\\\\pi r^2\\n"}'}, {"2": '{"text":"no\\n"}'}]
        answers = [Answer(f"q{n}", at, 1.0, 1.0, "mcq", "What?", params[:1], params, None, 3.0) for n in range(5)]
        yield make_version(key, at, answers, at + 500)


class Installation:
    """Stores below a folder, with the batch half archived and cleared."""

    def __init__(self, home: Path, attempts: int) -> None:
        self._stores = open_stores(Settings.from_env({}, str(home)))
        self.queries = Queries(self._stores, DAY, lambda: NOW)
        for some in chunks(versions(attempts), 5000):
            self._stores.hot.add_slices({row.slice for row in some})
            self._stores.hot.add_rows(some)
        old = self._stores.hot.slices(batch_id=BATCH)[: _WEEKS // 2]
        archive(old, self._stores, NOW)
        verify(old, self._stores, NOW)
        clear(old, self._stores, NOW)

    @property
    def hot(self) -> SqliteHot:
        """The hot store."""
        assert isinstance(self._stores.hot, SqliteHot)
        return self._stores.hot

    def measure(self) -> list[float]:
        """The overview, the first page of 20, and a page from the middle, in milliseconds."""
        middle = cursor(AttemptKey(f"{1_000_003 // 2:032x}", "", BATCH, "", ""))
        return [
            milliseconds(lambda: self.queries.batch(BATCH)),
            milliseconds(lambda: self.queries.attempts(batch_id=BATCH)),
            milliseconds(lambda: self.queries.attempts(batch_id=BATCH, after=middle)),
        ]


def _table(title: str, sizes: Sequence[int], measure: Callable[[int], list[float]]) -> None:
    table = Table(title, "overview, ms", "first page, ms", "middle page, ms", box=None, padding=(0, 2))
    first: list[float] | None = None
    for size in sizes:
        found = measure(size)
        first = first or found
        ratios = [f"{now:.1f} ({now / before:.1f}x)" for now, before in zip(found, first, strict=True)]
        table.add_row(f"{size:,}", *ratios)
    Console(width=120).print(table)


def main(arguments: Sequence[str]) -> None:
    """Measure and print. An argument is the share of the usual sizes."""
    share = float(arguments[0]) if arguments else 1.0
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        one = Installation(Path(folder) / "slices", max(20, round(ATTEMPTS[0] * share)))
        filled = 0

        def among(slices: int) -> list[float]:
            nonlocal filled
            fill_slices(one.hot, filled, slices)
            filled = slices
            return one.measure()

        _table("slices", [max(1, round(size * share)) for size in SLICES], among)
        sizes = [max(20, round(size * share)) for size in ATTEMPTS]
        _table("attempts", sizes, lambda size: Installation(Path(folder) / str(size), size).measure())


if __name__ == "__main__":
    main(sys.argv[1:])
