"""Partitions follow the stores: slices are registered when they close, and retired half a year after they were cleared.

Registering is on by default, because it deletes nothing. Retiring keys is off until an operator starts it.
"""

from collections.abc import Iterable

import dagster as dg

from assess_assets.partitions import archive_slices, batches, slices_of
from assess_assets.registration import is_finished, is_old, rotate, to_register, to_retire
from assess_assets.resources import Lakehouse, Opened
from assess_core.domain.counts import counted
from assess_core.domain.manifest import by_slice
from assess_core.domain.slices import ArchiveSlice, why_open
from assess_core.usecases.archiving import closed, views_of
from assess_core.usecases.pending import pending
from assess_core.usecases.slice_pages import known_after

REGISTERED_A_TICK = 20_000  # half a year of 800 slices a week; it takes 0.1 s
RETIRED_A_TICK = 5_000  # Dagster deletes keys one by one, 4 ms each
LISTED_A_TICK = 1000  # slices of the whole history that a tick looks at; the next tick continues after them
_BACKFILLS = 50  # the newest; older ones have ended
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_UNFINISHED = dg.RunsFilter(statuses=[status for status in dg.DagsterRunStatus if status not in _ENDED])


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,  # it deletes nothing, and without it nothing can be selected
    owners=["team:assessment"],
    description="Registers closed slices and batches as partitions. Its ticks show which slices wait, and for what.",
)
def register_slices_and_batches(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Register closed slices, ordered by week, then batch, and batches; at most 20,000 of each per tick.

    A tick looks at the slices that can need a step, and at 1,000 slices of the history, so its cost does not grow.

    The message of the tick shows how many slices are not closed yet, and what the first of them waits for.
    """
    with lakehouse.open() as opened:
        unread, grace = opened.unread, opened.settings.grace
        # slices that can need a step now, and a page of the whole history: on the first ticks, and if the hot store was
        # created again, other slices need a key too
        listed = known_after(opened.stores, _cursor(context), LISTED_A_TICK)
        known = sorted({*pending(opened.stores, opened.now), *listed})
        finished = _finished(known, opened)
        ready = closed((slice_ for slice_ in known if slice_ not in finished), opened.now, grace, unread)
        waiting = [(slice_, why) for slice_ in known if (why := why_open(slice_, opened.now, grace, unread))]
        ignored = opened.stores.log.ignored()
    cursor = str(listed[-1]) if len(listed) == LISTED_A_TICK else ""
    registered = {each: context.instance.get_dynamic_partitions(str(each.name)) for each in (archive_slices, batches)}
    slices = to_register(map(str, ready), registered[archive_slices], REGISTERED_A_TICK)
    reports = to_register(sorted({slice_.batch_id for slice_ in known}), registered[batches], REGISTERED_A_TICK)
    for partitions, keys in ((archive_slices, slices), (batches, reports)):
        if keys:
            # not as a request of the tick: Dagster would look up each key separately, which takes 5 ms
            context.instance.add_dynamic_partitions(str(partitions.name), keys)
    message = (
        f"registered {counted(len(slices), 'slice')} and {counted(len(reports), 'batch', 'batches')}{_waiting(waiting)}"
    )
    if ignored:
        context.log.warning(ignored)
        message += f"; {ignored}"
    return dg.SensorResult(skip_reason=message, cursor=cursor)


def _cursor(context: dg.SensorEvaluationContext) -> ArchiveSlice | None:
    """The last slice of the history that the previous tick looked at; None at its beginning."""
    text = context.cursor or ""
    return ArchiveSlice.parse(text) if "|" in text else None  # earlier versions stored a number


def _waiting(slices: list[tuple[ArchiveSlice, str]]) -> str:
    if not slices:
        return ""
    first, why = slices[0]
    return f"; {counted(len(slices), 'slice is', 'slices are')} not closed yet, e.g. {first}: {why}"


@dg.sensor(
    minimum_interval_seconds=3600,
    owners=["team:assessment"],
    description="Deletes the keys of cleared slices whose week ended half a year ago. It deletes no attempts.",
)
def retire_cleared_slices(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Delete the keys of cleared slices whose week ended half a year ago, at most 5,000 per tick.

    Attempts, manifest and Dagster's records stay. A slice that gets rows again gets its key again. While a run or a
    backfill is in progress or waits, no key is deleted.
    """
    if busy := _busy(context.instance):
        return dg.SensorResult(skip_reason=f"in progress: {busy}; keys are deleted when none is")
    registered = context.instance.get_dynamic_partitions(str(archive_slices.name))
    with lakehouse.open() as opened:
        old = sorted(slice_ for slice_ in slices_of(registered) if is_old(slice_, opened.now))
        some, cursor = rotate(old, int(context.cursor or 0), RETIRED_A_TICK)
        records = by_slice(opened.stores.lake.manifest(some))
        views = views_of(some, records, opened.stores, opened.now, opened.settings.grace, None)
        retired = to_retire(views, registered, opened.now, RETIRED_A_TICK)
    return dg.SensorResult(
        skip_reason=f"retired {len(retired)} of {len(registered)} slice keys",
        cursor=str(max(0, cursor - len(retired))),
        dynamic_partitions_requests=[archive_slices.build_delete_request(retired)] if retired else [],
    )


def _finished(slices: Iterable[ArchiveSlice], opened: Opened) -> set[ArchiveSlice]:
    """The slices among these that need no key any more. Only those whose week ended half a year ago are looked up."""
    old = [slice_ for slice_ in slices if is_old(slice_, opened.now)]
    records = by_slice(opened.stores.lake.manifest(old))
    views = views_of(old, records, opened.stores, opened.now, opened.settings.grace, None)
    return {view.slice for view in views if is_finished(view, opened.now)}


def _busy(instance: dg.DagsterInstance) -> str | None:
    """The number of runs and backfills that can still use a key, as text; None if there are none."""
    runs = instance.get_runs_count(_UNFINISHED)
    backfills = sum(backfill.backfill_end_timestamp is None for backfill in instance.get_backfills(limit=_BACKFILLS))
    return f"{counted(runs, 'run')} and {counted(backfills, 'backfill')}" if runs or backfills else None
