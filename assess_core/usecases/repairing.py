"""Use case: take events again, and write the rows that the maps name and neither tier holds.

To fold decides by the map: what it names is a repeat, and is not written. So a row that somebody deleted behind our
back stays away however often its event is replayed. Here the balance is drawn up first, and says which versions are in
neither tier: theirs are the only rows that are written besides. What clear deleted is in the lake, not among them.

They go to the hot store, as if they were never gone. Cassandra keeps a deletion for days, and hides below it whatever
has an older receipt; such rows go to the lake, where archive would have brought them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import Accepted, Decoded, decode
from assess_core.ports.hot_store import HotStore
from assess_core.ports.ledger import Ledger
from assess_core.ports.log import LogBatch
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive
from assess_core.usecases.folding import Checks, Folded, fold


class Repaired(NamedTuple):
    """What became of a batch of events."""

    events: int
    folded: Folded
    """As for any batch: events that are neither stored nor set aside are by now, as are rows without an entry."""
    rewritten: int
    """Rows that were written again, at the receipt that the map names."""
    in_lake: int
    """Those of them that went to the lake."""


def repair(
    batches: Iterable[LogBatch],
    stores: Stores,
    ledger: Ledger,
    checks: Checks,
    now: int,
    empty: Callable[[], HotStore],
) -> Iterator[Repaired]:
    """Take batches of the log again; `ledger` is one over all batches that `balance` has filled.

    `now` in epoch ms, for the manifest; `empty` makes a hot store in memory, from which rows are archived that the real
    one does not take back. May be repeated, and run beside a stream, archive or clear. Raises `StoreUnavailable`,
    `BadLog`, and what `archive` raises.
    """
    for batch in batches:
        decoded = [decode(record) for record in batch.records]
        lost = _lost(decoded, ledger)
        hidden = _hidden(lost, stores.hot) if lost else []
        if hidden:
            aside = empty()
            _write(hidden, aside)
            archive(aside.slices(), stores._replace(hot=aside), now)
        yield Repaired(len(decoded), fold(decoded, stores.hot, checks), len(lost), len(hidden))


def _lost(decoded: Iterable[Decoded], ledger: Ledger) -> list[AttemptVersion]:
    """The versions among these events that are in neither tier, each as it was received first."""
    versions = {each.version.version.content_hash: each.version for each in decoded if isinstance(each, Accepted)}
    receipts = ledger.take_missing(list(versions))
    return [msgspec.structs.replace(versions[hash_], received_at=at) for hash_, at in receipts.items()]


def _hidden(rows: Sequence[AttemptVersion], hot: HotStore) -> list[AttemptVersion]:
    """Write rows; returns those that the store does not show after that: it has a newer deletion of them."""
    _write(rows, hot)
    shown = {row.version.content_hash for row in hot.get([row.row_key for row in rows])}
    return [row for row in rows if row.version.content_hash not in shown]


def _write(rows: Sequence[AttemptVersion], hot: HotStore) -> None:
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)
