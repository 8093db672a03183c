"""Use case: enter decisions into the register of both tiers, so that they survive the loss of either.

The lake's copy is written first. A decision is in force as soon as the hot store has it, because every reader asks the
hot store. A process that is killed in between leaves a decision that is not in force yet; `agree` completes it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from assess_core.domain.register import ABOUT_LEARNERS, IN_BOTH_TIERS, Kind, Record
from assess_core.ports.erasures import Keys
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake
from assess_core.usecases.erased import erased_under


class Copied(NamedTuple):
    """The records that one tier did not have."""

    into_hot: int
    into_lake: int


def enter(hot: HotStore, lake: Lake, records: Sequence[Record]) -> None:
    """Add records to both tiers. Can be repeated. Raises `StoreUnavailable`, `NotOurTable`.

    Of processes that enter the same decision, the first one decides its text, and both tiers get it.
    """
    kinds = {record.kind: [other for other in records if other.kind is record.kind] for record in records}
    for kind, of_kind in kinds.items():
        stored = {record[:3]: record for record in lake.register.named(kind, {record.name for record in of_kind})}
        first = [stored.get(record[:3], record) for record in of_kind]
        lake.register.add(first)
        hot.register.add(first)
        texts = {record[:3]: record for record in hot.register.of(kind, {record.topic for record in first})}
        # another process wrote into one tier before this one, and into the other tier after it
        lake.register.rewrite([texts[record[:3]] for record in first if texts.get(record[:3], record) != record])


def agree(hot: HotStore, lake: Lake, keys: Keys) -> Copied:
    """Give each tier the records that only the other one has. Raises `StoreUnavailable`, `NotOurTable`, `BadSettings`.

    Holds on erased learners are left out: an erasure may have removed them from one tier and be about to remove them
    from the other. Its order came before. A drop that does not know a correction or a hold that comes into force here
    fails to commit, and reads it.
    """
    only_lake, only_hot = (_not_erased(records, hot, keys) for records in differing(hot, lake))
    new = {record.kind for record in only_lake}
    if new & {Kind.CORRECTION, Kind.REVERT}:  # before: a drop that begins now reads them in the lake
        lake.traces.announce()
    hot.register.add(only_lake)
    if Kind.HOLD in new:  # afterwards: a drop reads holds in the hot store
        lake.traces.announce()
    lake.register.add(only_hot)
    return Copied(len(only_lake), len(only_hot))


def _not_erased(records: Sequence[Record], hot: HotStore, keys: Keys) -> list[Record]:
    topics = {record.topic for record in records if record.kind in ABOUT_LEARNERS}
    erased = erased_under(keys.all(), topics, hot)
    return [record for record in records if record.kind not in ABOUT_LEARNERS or record.topic not in erased]


def differing(hot: HotStore, lake: Lake) -> tuple[list[Record], list[Record]]:
    """The records that only the lake has, and those that only the hot store has.

    Of the lake's records, it reads only those that differ.
    """
    only_lake: list[Record] = []
    only_hot: list[Record] = []
    for kind in IN_BOTH_TIERS:
        of_hot = {record.name: record for record in hot.register.all(kind)}
        of_lake = lake.register.names(kind)
        only_lake += lake.register.named(kind, of_lake - of_hot.keys())
        only_hot += [record for name, record in of_hot.items() if name not in of_lake]
    return only_lake, only_hot
