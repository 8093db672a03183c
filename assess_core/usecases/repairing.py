"""Use case: read events again and write the rows that a map names but neither tier holds.

Folding does not write a version that a map already names, because it is a repeat. So a replay does not restore a row
that another program deleted. A repair first computes the balance, which lists the versions that are in neither tier,
and then writes their rows. Rows that a clear deleted are in the lake, so a repair does not write them.

A repair writes the rows to the hot store. Cassandra remembers a deletion for days and hides written rows that have an
older receipt. A repair archives these rows to the lake.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import Accepted, Decoded, decode
from assess_core.errors import NotErased
from assess_core.ports.hot_store import HotStore
from assess_core.ports.ledger import Ledger
from assess_core.ports.log import LogBatch
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive
from assess_core.usecases.erased import erase_from_hot, erased_among, learner_of_row, without_erased
from assess_core.usecases.folding import Checks, Folded, fold


class Repaired(NamedTuple):
    """The result for a batch of events."""

    events: int
    folded: Folded
    """The result of folding, which also stores events that were missing and adds map entries that were missing."""
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

    Rows of erased learners are not written. `now` is in epoch ms. `empty` creates a hot store in memory, from which
    hidden rows are archived. Can be repeated, and can run at the same time as a stream, archive or clear. Raises
    `StoreUnavailable`, `BadLog`, `NotErased`, and the errors of `archive`.
    """
    for batch in batches:
        decoded = [decode(record) for record in batch.records]
        lost = without_erased(_lost(decoded, ledger), learner_of_row, stores.hot, checks.keys)
        hidden = _hidden(lost, stores.hot) if lost else []
        if hidden:
            in_memory = empty()
            _write(hidden, in_memory)
            archive(in_memory.slices(), stores._replace(hot=in_memory), now)
        # erased while they were written
        if late := erased_among(set(map(learner_of_row, lost)), stores.hot, checks.keys):
            erase_from_hot(late, stores.hot, {row.slice for row in lost})
            if any(learner_of_row(row) in late for row in hidden):
                raise NotErased(
                    "a learner was erased while rows were repaired, so rows of the learner came into the lake; erase "
                    "the learner again, then repair again"
                )
        yield Repaired(len(decoded), fold(decoded, stores.hot, checks), len(lost), len(hidden))


def _lost(decoded: Iterable[Decoded], ledger: Ledger) -> list[AttemptVersion]:
    """The versions among these events that neither tier holds, each with its first receipt."""
    versions = {each.version.version.content_hash: each.version for each in decoded if isinstance(each, Accepted)}
    receipts = ledger.take_missing(list(versions))
    return [msgspec.structs.replace(versions[hash_], received_at=at) for hash_, at in receipts.items()]


def _hidden(rows: Sequence[AttemptVersion], hot: HotStore) -> list[AttemptVersion]:
    """Write rows; returns those that a newer deletion hides in the store."""
    _write(rows, hot)
    visible = {row.version.content_hash for row in hot.get([row.row_key for row in rows])}
    return [row for row in rows if row.version.content_hash not in visible]


def _write(rows: Sequence[AttemptVersion], hot: HotStore) -> None:
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)
