"""Partitions follow the stores: slices are registered when they close, and retired half a year after they were cleared.

Registering is on by default, because it deletes nothing. Retiring keys is off until an operator starts it.
"""

from collections.abc import Mapping

import dagster as dg

from assess_assets.partitions import archive_slices, batches
from assess_assets.registration import is_over, to_register, to_retire, turn
from assess_assets.resources import Lakehouse
from assess_core.domain.manifest import SliceRecord, by_slice
from assess_core.domain.slice_status import view
from assess_core.domain.slices import ArchiveSlice, why_open
from assess_core.usecases.archiving import closed

MOST_A_TICK = 5000  # so that a first tick over years of slices stays within seconds
LOOKED_AT_A_TICK = 500  # slices that are long over, whether rows came back: a count in Cassandra takes a ms or two
_BACKFILLS = 50  # the newest: older ones have ended
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_UNFINISHED = dg.RunsFilter(statuses=[status for status in dg.DagsterRunStatus if status not in _ENDED])


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,  # it deletes nothing, and without it nothing can be selected
    owners=["team:assessment"],
    description="Registers closed slices and batches as partitions. Its ticks say which slices wait, and for what.",
)
def register_slices_and_batches(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Registers slices that are closed, by week, then batch, and batches; at most 5,000 of each a tick.

    The tick says which slices wait, and for what.
    """
    with lakehouse.open() as opened:
        unread, grace = opened.unread, opened.settings.grace
        records = by_slice(opened.stores.lake.manifest())
        known = sorted({*opened.stores.hot.slices(), *records})
        over = _over(records, opened.now)
        looked_at, cursor = turn(sorted(over), int(context.cursor or 0), LOOKED_AT_A_TICK)
        back = {slice_ for slice_, rows in opened.stores.hot.counts(looked_at).items() if rows}
        ready = closed([slice_ for slice_ in known if slice_ not in over or slice_ in back], opened.now, grace, unread)
        waiting = [(slice_, why) for slice_ in known if (why := why_open(slice_, opened.now, grace, unread))]
        ignored = opened.stores.log.ignored()
    there, there_too = (context.instance.get_dynamic_partitions(str(each.name)) for each in (archive_slices, batches))
    slices = to_register(map(str, ready), there, MOST_A_TICK)
    reports = to_register(sorted({slice_.batch_id for slice_ in known}), there_too, MOST_A_TICK)
    for partitions, keys in ((archive_slices, slices), (batches, reports)):
        if keys:
            # not as a request of the tick: of each of its keys Dagster asks by itself whether it is there, 5 ms each
            context.instance.add_dynamic_partitions(str(partitions.name), keys)
    said = f"registered {len(slices)} slices and {len(reports)} batches{_waiting(waiting)}"
    if ignored:
        context.log.warning(ignored)
        said += f"; {ignored}"
    return dg.SensorResult(skip_reason=said, cursor=str(cursor))


def _waiting(slices: list[tuple[ArchiveSlice, str]]) -> str:
    if not slices:
        return ""
    first, why = slices[0]
    return f"; {len(slices)} slices are not closed yet, e.g. {first}: {why}"


@dg.sensor(
    minimum_interval_seconds=3600,
    owners=["team:assessment"],
    description="Takes the keys of slices away that were cleared and whose week is half a year past. No data goes.",
)
def retire_cleared_slices(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Takes the keys of slices away that were cleared and whose week is half a year past, at most 5,000 a tick.

    Data and manifest stay, and so does what Dagster recorded of them; a slice whose rows come back gets its key again.
    While anything runs or waits to run, no key goes.
    """
    if busy := _busy(context.instance):
        return dg.SensorResult(skip_reason=f"{busy} under way: no key is taken away meanwhile")
    registered = context.instance.get_dynamic_partitions(str(archive_slices.name))
    with lakehouse.open() as opened:
        records = by_slice(opened.stores.lake.manifest())
        there = set(registered)
        old = sorted(slice_ for slice_ in _over(records, opened.now) if str(slice_) in there)[:MOST_A_TICK]
        held = opened.stores.hot.counts(old)
        views = [view(slice_, rows, records[slice_], None) for slice_, rows in held.items()]
        retired = to_retire(views, there, opened.now, MOST_A_TICK)
    return dg.SensorResult(
        skip_reason=f"retired {len(retired)} of {len(registered)} slice keys",
        dynamic_partitions_requests=[archive_slices.build_delete_request(retired)] if retired else [],
    )


def _over(records: Mapping[ArchiveSlice, SliceRecord], now: int) -> set[ArchiveSlice]:
    """The slices that are over as far as the manifest knows, which is not asked of the hot store."""
    return {slice_ for slice_, record in records.items() if is_over(view(slice_, 0, record, None), now)}


def _busy(instance: dg.DagsterInstance) -> str | None:
    """What may still ask for a key."""
    runs = instance.get_runs_count(_UNFINISHED)
    backfills = sum(backfill.backfill_end_timestamp is None for backfill in instance.get_backfills(limit=_BACKFILLS))
    return f"{runs} runs and {backfills} backfills are" if runs or backfills else None
