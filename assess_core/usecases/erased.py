"""Which learners are erased: asked before something of a learner is written, and, without transactions, also after.

An order is in force once the hot store's register has it. An erasure reads the maps after that moment. So a writer
that finds no order after its own writes has written before the erasure looks, and a writer that finds one deletes what
it wrote.
"""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, TypeVar

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.erasing import KEYS, Order, fingerprint, is_order, keyed_hash, order_of
from assess_core.domain.register import Kind
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadSettings
from assess_core.ports.erasures import HotErased, Keys
from assess_core.ports.hot_store import HotStore

T = TypeVar("T")


class Erasure(NamedTuple):
    """An order to erase a learner."""

    learner: str
    """The keyed hash of the id."""
    order: Order


def learner_of_row(row: AttemptVersion) -> str:
    """The id of the learner of a row, for `without_erased`."""
    return row.key.user_id


def read_erasures(hot: HotStore) -> list[Erasure]:
    """The orders in force, oldest first. They name nobody. Raises `StoreUnavailable`."""
    found = [Erasure(record.topic, order_of(record)) for record in hot.register.all(Kind.ERASURE) if is_order(record)]
    return sorted(found, key=lambda each: (each.order.at, each.learner))


def erased_among(user_ids: Collection[str], hot: HotStore, keys: Keys) -> set[str]:
    """The erased learners among these.

    Reads one record while nobody was ever erased. Raises `BadSettings` if the ring lacks a key of an order, because
    an erased learner would then come back; `StoreUnavailable`.
    """
    if not user_ids:
        return set()
    return erased_under(keys_in_use(hot, keys), user_ids, hot)


def erased_under(used: Collection[str], user_ids: Iterable[str], hot: HotStore) -> set[str]:
    """The erased learners among these, by the keys in use."""
    users = {keyed_hash(key, user_id): user_id for key in used for user_id in user_ids}
    return {users[record.topic] for record in hot.register.of(Kind.ERASURE, users)} if users else set()


def keys_in_use(hot: HotStore, keys: Keys) -> list[str]:
    """The keys of the orders that are in force. Raises `BadSettings` if the ring lacks one; `StoreUnavailable`."""
    wanted = {record.id for record in hot.register.of(Kind.ERASURE, [KEYS])}
    if not wanted:
        return []
    ring = {fingerprint(key): key for key in keys.all()}
    if missing := sorted(wanted - ring.keys()):
        raise BadSettings(
            f"ASSESS_ERASURE_KEYS: learners were erased under the key {missing[0]}, which the ring of this machine "
            "lacks, so they could come back; copy the file from the machine that erased them, or from its backup"
        )
    return [ring[mark] for mark in sorted(wanted)]


def without_erased(things: Iterable[T], user_of: Callable[[T], str], hot: HotStore, keys: Keys) -> list[T]:
    """The things that are not of erased learners."""
    all_ = list(things)
    erased = erased_among({user_of(thing) for thing in all_}, hot, keys)
    return [thing for thing in all_ if user_of(thing) not in erased] if erased else all_


def slices_of_learners(user_ids: Collection[str], hot: HotStore) -> set[ArchiveSlice]:
    """The slices that can hold rows of these learners: all slices of the batches that their maps name."""
    learners = hot.learners(user_ids).values()
    entries = [entry for learner in learners for entry in learner.entries]
    batches = {entry.key.batch_id for entry in entries}
    listed = {slice_ for batch_id in batches for slice_ in hot.slices(batch_id=batch_id)}
    return listed | {entry.row_key.slice for entry in entries}


def erase_from_hot(user_ids: Collection[str], hot: HotStore, more: Iterable[ArchiveSlice] = ()) -> HotErased:
    """Delete the rows, maps, summaries and activities of learners, also in `more` slices. Can be repeated."""
    return hot.erase(user_ids, slices_of_learners(user_ids, hot).union(more))
