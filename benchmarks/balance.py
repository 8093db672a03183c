"""The balance of 1,000,000 versions, half of them only in the lake.

The limit counts the same entries and rows through the same ports and compares nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assess_core.chunks import chunks
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, make_version
from assess_core.domain.scores import Entry
from assess_core.domain.slices import WEEK
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.balance import balance
from assess_core.wiring import open_ledger
from benchmarks.data import FIRST, NOW, WEEKS, stores
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_VERSIONS: Final = 1_000_000
_BATCHES: Final = 20
_OF_A_LEARNER: Final = 5
_CHUNK: Final = 5_000


def _versions(count: int) -> Iterator[AttemptVersion]:
    """Versions of one answer: the balance does not read answers."""
    for number in range(count):
        learner = number // _OF_A_LEARNER
        batch_id = f"01309299287{learner % _BATCHES:08}"
        key = AttemptKey(f"{learner:032x}", "do_11309286", batch_id, "do_2130", f"{number:032x}")
        at = FIRST + number % WEEKS * WEEK + number
        answer = Answer("q1", at, 1.0, 1.0, "mcq", "What?", [{"1": '{"text":"A"}'}], [], None, 3.0)
        yield make_version(key, at, [answer], at + 500)


def _fill(home: Path, count: int) -> None:
    opened = stores(home)
    for some in chunks(_versions(count), _CHUNK):
        opened.hot.add_slices({version.slice for version in some})
        opened.hot.add_rows(some)
        opened.hot.add_entries([Entry.of(version) for version in some])
    weeks = sorted({slice_.week for slice_ in opened.hot.slices()})[: WEEKS // 2]
    old = [slice_ for slice_ in opened.hot.slices() if slice_.week in weeks]
    for step in (archive, verify, clear):
        step(old, opened, NOW)


@contextmanager
def _balance(home: Path) -> Iterator[Work]:
    opened = stores(home)

    def work() -> int:
        with open_ledger() as ledger:
            found = balance(opened, ledger)
        assert found.balanced, found.total
        return found.total.named

    yield work


@contextmanager
def _count(home: Path) -> Iterator[Work]:
    opened = stores(home)

    def work() -> int:
        entries = sum(len(learner.entries) for _, learner in opened.hot.all_learners())
        shards = (shard for slice_ in opened.hot.slices() for shard in opened.hot.scan(slice_))
        rows = sum(batch.num_rows for shard in shards for batch in shard)
        assert rows + sum(file.rows for file in opened.lake.pin().files()) == entries
        return entries

    yield work


def balance_row(size: Size) -> Row:
    """The balance of both tiers."""
    count = size.of(_VERSIONS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        _fill(home, count)
        runs = in_turn(size, {"ours": partial(alone, _balance, home), "limit": partial(alone, _count, home)})
    assert {run.result for side in runs.values() for run in side} == {count}, "a side lost versions"
    limit = Side("counting without comparing", count, runs["limit"])
    return Row("balance", "versions/s", Side("balance", count, runs["ours"]), None, limit)
