"""Partitions come from what the stores hold: a tick registers what closed since the last one."""

import dagster as dg

from assess_assets.partitions import archive_slices, batches
from assess_assets.registration import to_register
from assess_assets.resources import Lakehouse
from assess_core.archiving import closed, known

MOST_A_TICK = 5000  # so that a first tick over years of slices stays within seconds


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def register_slices_and_batches(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Registers slices that are closed, by week, then batch, and batches; at most 5,000 of each a tick."""
    with lakehouse.open() as opened:
        unread = opened.unread
        slices_known = known(opened.stores)
        over = closed(slices_known, opened.now, opened.settings.grace, unread)
    there, there_too = (context.instance.get_dynamic_partitions(str(each.name)) for each in (archive_slices, batches))
    slices = to_register(map(str, over), there, MOST_A_TICK)
    reports = to_register(sorted({slice_.batch_id for slice_ in slices_known}), there_too, MOST_A_TICK)
    requests = [archive_slices.build_add_request(slices), batches.build_add_request(reports)]
    waiting = f"; slices wait while the log has unread events ({unread.what})" if unread else ""
    return dg.SensorResult(
        skip_reason=f"registered {len(slices)} slices and {len(reports)} batches{waiting}",
        dynamic_partitions_requests=[request for request in requests if request.partition_keys],
    )
