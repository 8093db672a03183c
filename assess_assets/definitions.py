"""The definitions that Dagster loads: `dagster dev` finds `defs` here."""

import dagster as dg

from assess_assets.archive import archived_attempts, cleared_attempts, restored_attempts
from assess_assets.automation import archive_closed_weeks, clear_verified_weeks
from assess_assets.balance import balance_sheet
from assess_assets.compaction import compacted_attempts
from assess_assets.corrections import corrections
from assess_assets.exhausts import exhausts
from assess_assets.holds_and_erasures import holds_and_erasures
from assess_assets.importing import imported_archives
from assess_assets.requests import requested_exhausts, serve_requests
from assess_assets.resources import Lakehouse
from assess_assets.retention import retain_job, retained_attempts
from assess_assets.retention import schedules as of_retention
from assess_assets.scheduled import declared, scheduled_exhausts, scheduled_job
from assess_assets.seals import seals
from assess_assets.sensors import register_slices_and_batches, retire_cleared_slices
from assess_assets.watch import archived_in_time, hot_attempts, slice_keys, watch_daily, watch_job
from assess_assets.weekly import weekly_activity
from assess_core.privacy import keep_files_private

keep_files_private()  # every process in which Dagster runs our code loads this file

defs = dg.Definitions(
    assets=dg.with_source_code_references(
        [
            hot_attempts,
            archived_attempts,
            cleared_attempts,
            compacted_attempts,
            restored_attempts,
            retained_attempts,
            imported_archives,
            balance_sheet,
            seals,
            corrections,
            holds_and_erasures,
            *exhausts,
            requested_exhausts,
            scheduled_exhausts,
            weekly_activity,
        ]
    ),
    asset_checks=[archived_in_time, slice_keys],
    jobs=[watch_job, scheduled_job, retain_job],
    schedules=[watch_daily, *of_retention, *declared],
    sensors=[
        register_slices_and_batches,
        serve_requests,
        archive_closed_weeks,
        clear_verified_weeks,
        retire_cleared_slices,
    ],
    resources={"lakehouse": Lakehouse()},
    executor=dg.in_process_executor,  # a process per step would cost 3 s
)
