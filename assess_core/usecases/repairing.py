"""Use case: read events again and write the rows that the maps name and neither tier holds.

Folding decides by the map: a version that the map names is a repeat and is not written. So if a row was deleted outside
of this project, a replay never brings it back. A repair first draws up the balance, which names the versions that are
in neither tier, and writes their rows too. Rows that a clear deleted are in the lake, so they are not among them.

The rows go to the hot store. Cassandra keeps a deletion for days, and hides rows with an older receipt behind it. Such
rows go to the lake.
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
    """The result for a batch of events."""

    events: int
    folded: Folded
    """As for any batch. Events that were neither stored nor failed, and rows without an entry, are now complete."""
    rewritten: int
    """Rows that were written again, with the receipt from the map."""
    in_lake: int
    """The number of these rows that went to the lake."""


def repair(
    batches: Iterable[LogBatch],
    stores: Stores,
    ledger: Ledger,
    checks: Checks,
    now: int,
    empty: Callable[[], HotStore],
) -> Iterator[Repaired]:
    """Read batches of the log again; `ledger` covers all batches and was filled by `balance`.

    `now` in epoch ms, for the manifest. `empty` makes a hot store in memory, from which hidden rows are archived. May
    be repeated, and run beside a stream, archive or clear. Raises `StoreUnavailable`, `BadLog`, and what `archive`
    raises.
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
    """The versions among these events that neither tier holds, each with its first receipt."""
    versions = {each.version.version.content_hash: each.version for each in decoded if isinstance(each, Accepted)}
    receipts = ledger.take_missing(list(versions))
    return [msgspec.structs.replace(versions[hash_], received_at=at) for hash_, at in receipts.items()]


def _hidden(rows: Sequence[AttemptVersion], hot: HotStore) -> list[AttemptVersion]:
    """Write rows; returns those that a newer deletion hides in the store."""
    _write(rows, hot)
    shown = {row.version.content_hash for row in hot.get([row.row_key for row in rows])}
    return [row for row in rows if row.version.content_hash not in shown]


def _write(rows: Sequence[AttemptVersion], hot: HotStore) -> None:
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)
