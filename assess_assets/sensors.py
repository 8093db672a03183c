"""Partitions come from what the stores hold: a tick registers what closed since the last one."""

import dagster as dg

from assess_assets.partitions import archive_slices, batches, is_accepted
from assess_assets.registration import to_register
from assess_assets.resources import Lakehouse
from assess_core.archiving import closed

MOST_A_TICK = 5000  # so that a first tick over years of slices stays within seconds


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def register_slices_and_batches(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Registers slices that are closed, by week, then batch, and batches; at most 5,000 of each a tick.

    What Dagster cannot take as a key (it refuses `...` and control characters) is named in the tick's log: such a slice
    or batch has no partition, but `assess archive`, `verify`, `clear` and `exhaust` take it.
    """
    with lakehouse.open() as opened:
        known = {*opened.stores.hot.slices(), *(entry.slice for entry in opened.stores.lake.manifest())}
        over = closed(sorted(known), opened.now, opened.settings.grace, opened.unread)
    there, there_too = (context.instance.get_dynamic_partitions(str(each.name)) for each in (archive_slices, batches))
    slices = to_register(map(str, sorted(over)), there, is_accepted, MOST_A_TICK)
    reports = to_register(sorted({slice_.batch_id for slice_ in known}), there_too, is_accepted, MOST_A_TICK)
    if refused := [*map(repr, slices.refused), *map(repr, reports.refused)]:
        context.log.warning(
            f"no partition for {', '.join(refused)}: Dagster refuses '...' and control characters in keys; "
            "use `assess archive`, `assess verify`, `assess clear` and `assess exhaust` for them"
        )
    return dg.SensorResult(
        skip_reason=f"{len(slices.keys)} slices and {len(reports.keys)} batches are new",
        dynamic_partitions_requests=[
            request
            for request in (archive_slices.build_add_request(slices.keys), batches.build_add_request(reports.keys))
            if request.partition_keys
        ],
    )
