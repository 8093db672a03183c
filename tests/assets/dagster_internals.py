"""The only test module that uses private names of Dagster."""

from dagster._core.events import EngineEventData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import freeze_time

__all__ = ["BulkActionStatus", "EngineEventData", "PartitionBackfill", "freeze_time"]
