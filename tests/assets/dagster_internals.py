"""The only module of the tests that uses what Dagster does not publish."""

from dagster._core.events import EngineEventData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import freeze_time

__all__ = ["BulkActionStatus", "EngineEventData", "PartitionBackfill", "freeze_time"]
