"""Use cases: enter, release and read holds. A hold is in force when the hot store's register has it.

Holds are few: each read takes all of them.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from assess_core.domain.erasing import is_beginning
from assess_core.domain.holds import (
    Hold,
    HoldState,
    Target,
    held_ids,
    hold_record,
    hold_states,
    holds_in_force,
    new_hold,
    release_record,
    stopping,
)
from assess_core.domain.register import Kind
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadHold, HoldInForce, UnknownHold, VerifyFailed
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, Named
from assess_core.ports.stores import Stores
from assess_core.retrying import retrying
from assess_core.usecases.erased import erased_under
from assess_core.usecases.proving import FIRST_WAIT, by_week
from assess_core.usecases.registering import enter

_BEGINNING: Final = 10.0
"""Seconds that a hold waits for an erasure that begins, which needs some milliseconds."""
_NAMED: Final = 5
"""The largest number of holds that a message names."""


def add_hold(stores: Stores, target: Target, of: str, by: str, reason: str, now: int, until: int | None = None) -> Hold:
    """Enter a hold into both tiers. The thing need not have attempts yet.

    An erasure that begins at the same moment either finds the hold, or its order is in force before this returns.
    Raises `BadHold`, also for a learner who is erased; `StoreUnavailable`.
    """
    hold = new_hold(target, of, by, reason, now, until)
    record = hold_record(hold)
    enter(stores.hot, stores.lake, [record])
    _wait_for_erasures_that_begin(stores.hot, now)
    if target is Target.LEARNER and erased_under(stores.keys.all(), {of}, stores.hot):
        for register in (stores.hot.register, stores.lake.register):
            register.remove([record])
        raise BadHold("the learner is erased, so there is nothing to protect; nothing was entered")
    stores.lake.traces.announce()  # a drop that has read the holds before fails to commit, and reads them again
    return hold


class _Begins(Exception):
    """An order to erase is about to be entered."""


def _wait_for_erasures_that_begin(hot: HotStore, now: int) -> None:
    """Wait until erasures that may have read the holds before have entered their orders, or were killed."""
    with suppress(_Begins):
        retrying(lambda error: isinstance(error, _Begins), deadline_seconds=_BEGINNING, first_wait=FIRST_WAIT)(
            _require_none_begins, hot, now
        )


def _require_none_begins(hot: HotStore, now: int) -> None:
    if any(is_beginning(record, now) for record in hot.register.all(Kind.ERASURE_BEGUN)):
        raise _Begins


def release_hold(stores: Stores, id_: str, by: str, reason: str, now: int) -> Hold:
    """End a hold. One that has ended stays as it is. Raises `UnknownHold`, `BadHold`, `StoreUnavailable`."""
    states = [state for state in all_holds(stores.hot) if state.hold.id == id_]
    if not states:
        raise UnknownHold(f"there is no hold {id_[:100]!r}; `assess hold list --all` lists all holds")
    [state] = states
    if state.release is None:
        enter(stores.hot, stores.lake, [release_record(state.hold, by, reason, now)])
    return state.hold


def all_holds(hot: HotStore) -> list[HoldState]:
    """All holds, also those that ended, oldest first. Raises `BadHold`, `StoreUnavailable`."""
    return hold_states(hot.register.all(Kind.HOLD), hot.register.all(Kind.RELEASE))


def read_holds(hot: HotStore, now: int) -> list[Hold]:
    """The holds in force at a moment (epoch ms). Raises `BadHold`, `StoreUnavailable`."""
    return holds_in_force(hot.register.all(Kind.HOLD), hot.register.all(Kind.RELEASE), now)


def holds_on_learners(hot: HotStore, user_ids: Collection[str], now: int) -> dict[str, list[Hold]]:
    """The holds in force that protect rows of these learners: of the learner, or of a batch or assessment of theirs.

    Learners without such a hold are left out. Reads the learners' maps if a hold is in force. Raises `BadHold`,
    `StoreUnavailable`.
    """
    holds = read_holds(hot, now)
    if not holds:
        return {}
    learners = hot.learners(user_ids)
    found: dict[str, list[Hold]] = {}
    for user_id in sorted(set(user_ids)):
        keys = [entry.key for entry in learners[user_id].entries] if user_id in learners else []
        batches, assessments = {key.batch_id for key in keys}, {key.assessment_id for key in keys}
        if stopped := stopping(holds, batches, {user_id}, assessments):
            found[user_id] = stopped
    return found


def require_no_hold(hot: HotStore, user_ids: Collection[str], now: int) -> None:
    """Raise `HoldInForce` if a hold protects rows of one of these learners; the message names each hold once.

    So does a hold on a batch or an assessment with the same id: an erasure removes records about this id.
    """
    holds = {hold.id: hold for stopped in holds_on_learners(hot, user_ids, now).values() for hold in stopped}
    holds |= {hold.id: hold for hold in read_holds(hot, now) if hold.of in user_ids}
    if holds:
        raise HoldInForce(f"{_named([*holds.values()])}: nothing was done; `assess hold release` ends a hold")


def held_slices(lake: Lake, holds: Collection[Hold], slices: Collection[ArchiveSlice]) -> dict[ArchiveSlice, str]:
    """The slices among these that holds protect, each with a sentence that names the holds.

    A hold on a learner or an assessment protects the slices that have rows or kept scores of it in the lake: clear and
    drop delete nothing else. If a file cannot be read, its slices are unknown, so the whole week counts as held. Raises
    `StoreUnavailable`.
    """
    if not holds:
        return {}
    tables = (lake.pin(), lake.pin_scores())
    learners, assessments = held_ids(holds, Target.LEARNER), held_ids(holds, Target.ASSESSMENT)
    found: dict[ArchiveSlice, str] = {}
    for group in by_week(slices):
        named: list[Mapping[ArchiveSlice, Named]] = []
        try:
            if learners or assessments:
                named = [lake.naming(pinned, group[0].week, learners, assessments) for pinned in tables]
        except VerifyFailed as error:
            found |= dict.fromkeys(group, f"it is unknown whether a hold protects it: {error}")
            continue
        for slice_ in group:
            of_slice = [of_table.get(slice_, Named()) for of_table in named]
            users = frozenset[str]().union(*(each.user_ids for each in of_slice))
            contents = frozenset[str]().union(*(each.content_ids for each in of_slice))
            if stopped := stopping(holds, {slice_.batch_id}, users, contents):
                found[slice_] = _named(stopped)
    return found


def _named(holds: Sequence[Hold]) -> str:
    more = [f"and {len(holds) - _NAMED:,} more"] if len(holds) > _NAMED else []
    return "; ".join([*map(str, holds[:_NAMED]), *more])
