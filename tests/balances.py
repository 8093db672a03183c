"""Short functions that compute a balance, and functions that damage a store."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from assess_core.adapters.duckdb.ledger import open_ledger
from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import read_files
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import decode
from assess_core.ports.facts import NoFacts
from assess_core.ports.hot_store import HotStore
from assess_core.ports.ledger import Difference, Fault, Sheet
from assess_core.ports.stores import Stores
from assess_core.usecases.balance import Balance, balance
from assess_core.usecases.folding import Checks, fold
from assess_core.usecases.repairing import repair
from tests.loop import NOW

NO_FACTS: Final = Checks(NoFacts())


class Drawn(NamedTuple):
    """A balance and its differences."""

    found: Balance
    differences: list[Difference]

    @property
    def sheet(self) -> Sheet:
        """The sheet over all batches."""
        return self.found.total

    @property
    def named(self) -> set[tuple[Fault, str, str]]:
        """Each difference as its kind, its slice and its learner."""
        return {(each.what, str(each.slice), each.key.user_id if each.key else "") for each in self.differences}


def draw(
    stores: Stores, *batches: str, against_log: bool = False, wait: Callable[[float], None] = lambda seconds: None
) -> Drawn:
    """Compute a balance and check that its columns add up."""
    with open_ledger(batches) as ledger:
        found = balance(stores, ledger, against_log=against_log, wait=wait)
        differences = list(ledger.differences())
    for sheet in (*found.sheets, found.total):
        assert sheet.named == sheet.hot_only + sheet.lake_only + sheet.both + sheet.dropped + sheet.missing
        if sheet.log is not None:
            accepted, older, too_many, not_stored, imported, erased = sheet.log
            counted = sheet.named + sheet.unnamed + sheet.failed + not_stored + erased
            assert accepted + older + imported + too_many == counted
    wrong = found.total.wrong
    assert {fault: sum(each.what is fault for each in differences) for fault in Fault} == wrong
    return Drawn(found, differences)


def resolve(stores: Stores, *files: Path) -> tuple[int, int]:
    """Repair from files or from the log. Returns the number of rewritten rows, and how many of them are in the lake."""
    with open_ledger() as ledger:
        balance(stores, ledger, wait=lambda seconds: None)
        read = read_files(find(map(str, files), print), print)
        batches = read if files else (batch for part in stores.log.retained().parts for batch in part.batches)
        done = list(repair(batches, stores, ledger, NO_FACTS, NOW, MemoryHot))
    return sum(each.rewritten for each in done), sum(each.in_lake for each in done)


def follow(stores: Stores) -> None:
    """Fold the log as the stream does, until it is empty."""
    feed = stores.log.feed(print)
    for _ in range(3):  # files other than `.jsonl` are read when the second look finds them unchanged
        for batch in feed.batches():
            folded = fold(map(decode, batch.records), stores.hot, NO_FACTS._replace(keys=stores.keys))
            feed.done(batch, folded.rejected)
    feed.close()


def lose(hot: HotStore, rows: Sequence[AttemptVersion]) -> None:
    """Delete rows of the hot store, but not their map entries."""
    assert hot.delete([row.row_key for row in rows]) == len(rows)


def forget(url: str, user_id: str) -> None:
    """Delete the map of a learner in SQLite, but not the rows."""
    with sqlite3.connect(urlsplit(url).path) as connection:
        connection.execute("DELETE FROM assessment_aggregator_v2_attempts WHERE user_id = ?", [user_id])
    connection.close()
