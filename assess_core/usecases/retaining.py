"""Use case: do by rule what is due: clear slices from the hot store, and drop them, or their answers, from the lake.

Holds are read after the slices are chosen, and again before each week of the lake is changed. The cost grows with the
rows of the hot store and with the weeks of the lake that are old enough for a rule.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from assess_core.domain.manifest import SliceRecord, by_slice
from assess_core.domain.retention import Candidate, Deed, Planned, Rules, is_any_due, plan, why_not_clear
from assess_core.domain.slices import ArchiveSlice, Unread
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.lake import Pinned
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import Cleared, clear, views_of
from assess_core.usecases.compacting import Vacuumed, vacuum
from assess_core.usecases.dropping import Dropped, drop
from assess_core.usecases.holds import held_slices, read_holds
from assess_core.usecases.pending import pending
from assess_core.usecases.proving import by_week
from assess_core.usecases.registering import agree


class Retained(NamedTuple):
    """What a run of retention did."""

    cleared: dict[ArchiveSlice, Cleared]
    dropped: dict[ArchiveSlice, Dropped]
    stopped: list[Planned]
    """What was due and was not done, each with its reason."""
    vacuumed: Vacuumed
    keeping: frozenset[ArchiveSlice]
    """The dropped slices of which the lake keeps the scores."""

    def deeds(self) -> Iterator[tuple[ArchiveSlice, Deed, int, str | None]]:
        """What was done to each slice: the deed, the rows that left, and why none or not all did."""
        for slice_, cleared in self.cleared.items():
            yield slice_, Deed.CLEAR, cleared.cleared, cleared.refused or cleared.why_left
        for slice_, dropped in self.dropped.items():
            yield slice_, Deed.KEEP_SCORES if slice_ in self.keeping else Deed.DROP, dropped.rows, dropped.refused

    @property
    def refused(self) -> list[str]:
        """A sentence for each slice that was due and could not be cleared or dropped."""
        cleared = (each.refused for each in self.cleared.values())
        dropped = (each.refused for each in self.dropped.values())
        return [why for why in (*cleared, *dropped) if why]


def retain(stores: Stores, rules: Rules, now: int, grace: int, unread: Unread | None) -> Retained:
    """Clear and drop what is due, then delete old files. Can be repeated, and killed at any moment.

    First, holds that only the lake has come into force: the hot store may have been lost since. `now` and `grace` are
    in ms. Raises what `plan_retention` and `drop` raise.
    """
    agree(stores.hot, stores.lake, stores.keys)
    cleared: dict[ArchiveSlice, Cleared] = {}
    for group in by_week(_due(plan_retention(stores, rules, now, grace, unread), Deed.CLEAR)):
        allowed, _ = clearable(group, stores, rules, now)  # a hold may have been entered since
        cleared |= clear(allowed, stores, now)
    planned = plan_retention(stores, rules, now, grace, unread)  # a slice that was cleared can be dropped now
    keeping = _due(planned, Deed.KEEP_SCORES)
    dropped = drop([*_due(planned, Deed.DROP), *keeping], stores, now, keeping=keeping)
    stopped = [each for each in planned if each.stopped]
    return Retained(cleared, dropped, stopped, vacuum(stores.lake, now), frozenset(keeping))


def _due(planned: Collection[Planned], deed: Deed) -> list[ArchiveSlice]:
    return [each.slice for each in planned if each.deed is deed and not each.stopped]


def plan_retention(stores: Stores, rules: Rules, now: int, grace: int, unread: Unread | None) -> list[Planned]:
    """What the rules would clear and drop now, and what stops it. `now` and `grace` are in ms.

    Raises `StoreUnavailable`, `NotOurTable`, `BadHold`, and `VerifyFailed` for an old file that cannot be read.
    """
    old, kept = (_old(pinned, stores, rules, now) for pinned in (stores.lake.pin(), stores.lake.pin_scores()))
    slices = sorted({*pending(stores, now), *old, *kept})
    records = by_slice(stores.lake.manifest(slices))
    views = views_of(slices, records, stores, now, grace, unread)
    candidates = [
        Candidate(view, records.get(view.slice, SliceRecord()), view.slice in old, view.slice in kept) for view in views
    ]
    return plan(candidates, rules, lambda due: _held(stores, due, now), now)


def foresee_retention(stores: Stores, rules: Rules, now: int, grace: int, unread: Unread | None) -> list[Planned]:
    """What `retain` would do now, and what stops it; changes nothing. Late rows are looked for in the lake's files.

    `now` and `grace` are in ms. Raises what `plan_retention` raises.
    """
    planned = plan_retention(stores, rules, now, grace, unread)
    late = (each.slice for each in planned if each.is_late and not each.stopped)
    tried = clear(late, stores, now, dry_run=True)
    return [
        each._replace(rows=found.cleared, stopped=found.refused or found.why_left)
        if each.deed is Deed.CLEAR and (found := tried.get(each.slice))
        else each
        for each in planned
    ]


def clearable(
    slices: Collection[ArchiveSlice], stores: Stores, rules: Rules, now: int, as_of: int | None = None
) -> tuple[list[ArchiveSlice], dict[ArchiveSlice, str]]:
    """The slices among these that a rule may clear now, and for each other one a sentence that says why not.

    `as_of`: another moment for the rules (epoch ms), not for holds.

    Raises `StoreUnavailable`, `BadHold`.
    """
    held = _held(stores, slices, now)
    reasons = {
        slice_: why_not_clear(slice_, rules, held, now if as_of is None else as_of) for slice_ in sorted(set(slices))
    }
    return (
        [slice_ for slice_, why in reasons.items() if why is None],
        {slice_: why for slice_, why in reasons.items() if why is not None},
    )


def _held(stores: Stores, slices: Collection[ArchiveSlice], now: int) -> dict[ArchiveSlice, str]:
    return held_slices(stores.lake, read_holds(stores.hot, now), slices)


def _old(pinned: Pinned, stores: Stores, rules: Rules, now: int) -> set[ArchiveSlice]:
    """The slices with rows in a table of the lake in the weeks that are old enough for a rule."""
    found: set[ArchiveSlice] = set()
    for week in sorted({file.week for file in pinned.files()}):
        if is_any_due(week, rules, now):
            checkpoint()
            found |= {*stores.lake.slices(pinned, week)}
    return found
