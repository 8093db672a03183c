"""Use case: take events again, and write the rows that the maps name and neither tier holds.

To fold decides by the map: what it names is a repeat, and is not written. So a row that somebody deleted behind our
back stays away however often its event is replayed. Here the balance is drawn up first, and says which versions are in
neither tier: theirs are the only rows that are written besides. What clear deleted is in the lake, not among them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from assess_core.attempts import AttemptVersion
from assess_core.balance import Ledger
from assess_core.events import Accepted, Decoded, decode
from assess_core.folding import Checks, Folded, fold
from assess_core.ports import Batch, HotStore


class Repaired(NamedTuple):
    """What became of a batch of events."""

    events: int
    folded: Folded
    """As for any batch: events that are neither stored nor set aside are by now, as are rows without an entry."""
    rewritten: int
    """Rows that were written again, at the receipt that the map names."""
    refused: list[AttemptVersion]
    """Rows that the hot store does not show although they were written: it holds a newer deletion of them."""


def repair(batches: Iterable[Batch], hot: HotStore, ledger: Ledger, checks: Checks) -> Iterator[Repaired]:
    """Take batches of the log again; `ledger` is one over all batches that `balance` has filled.

    May be repeated, and run beside a stream, archive or clear. Raises `StoreUnavailable`, `BadLog`.
    """
    for batch in batches:
        decoded = [decode(record) for record in batch.records]
        lost = _lost(decoded, ledger)
        unshown = _write(lost, hot) if lost else []
        yield Repaired(len(decoded), fold(decoded, hot, checks), len(lost) - len(unshown), unshown)


def _lost(decoded: Iterable[Decoded], ledger: Ledger) -> list[AttemptVersion]:
    """The versions among these events that are in neither tier, each as it was received first."""
    versions = {each.version.version.content_hash: each.version for each in decoded if isinstance(each, Accepted)}
    receipts = ledger.take_missing(list(versions))
    return [msgspec.structs.replace(versions[hash_], received_at=at) for hash_, at in receipts.items()]


def _write(rows: Sequence[AttemptVersion], hot: HotStore) -> list[AttemptVersion]:
    """Write rows; returns those that the store does not show after that."""
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)
    shown = {row.version.content_hash for row in hot.get([row.row_key for row in rows])}
    return [row for row in rows if row.version.content_hash not in shown]
