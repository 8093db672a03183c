"""The only test module that uses private names of Dagster."""

from dagster._core.events import EngineEventData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.event_log import in_memory as _events
from dagster._core.storage.runs import in_memory as _runs
from dagster._core.test_utils import freeze_time

IN_MEMORY = (_events, _runs)
"""The modules of the storages of an instance in memory."""

__all__ = ["IN_MEMORY", "BulkActionStatus", "EngineEventData", "PartitionBackfill", "freeze_time"]
