"""Dagster's event log in SQLite, but for two things.

Events that come as a batch are written as a batch. Dagster's own writes each event of a batch by itself, in two
databases that it opens anew each time: 10 ms of processor time an event, four events a slice; as a batch an event takes
1 ms. dagster.yaml names the class; the files stay the same. Whether events come as batches says
DAGSTER_EVENT_BATCH_SIZE, which `assess up` sets.

A run that failed is never seen without the answer to whether it will be started again. Dagster's own writes that a
moment after the failure; a backfill that looks in between has no run under way, and ends as failed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import dagster as dg
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._serdes import ConfigurableClassData


class BatchedEventLog(SqliteEventLogStorage):
    """Whatever is neither a batch of asset events of one run nor the failure of a run is left to Dagster."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """As dagster.yaml has it; Dagster's own would make a `SqliteEventLogStorage`, whatever the class."""
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """One event. That a run failed is stored after a yes, in whose place Dagster then puts its own answer."""
        if event.dagster_event_type is dg.DagsterEventType.RUN_FAILURE and self._instance.run_retries_enabled:
            self._instance.add_run_tags(event.run_id, {WILL_RETRY_TAG: "true"})
        super().store_event(event)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """All events of assets in one transaction of the run's database and one of the index, then the others."""
        of_assets = [event for event in events if event.dagster_event_type in ASSET_EVENTS]
        if len({event.run_id for event in events}) == 1 and of_assets:
            self._store_asset_events(of_assets)
            events = [event for event in events if event.dagster_event_type not in ASSET_EVENTS]
        super().store_event_batch(events)

    def _store_asset_events(self, events: Sequence[dg.EventLogEntry]) -> None:
        insert = self.prepare_insert_event_batch(events)
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(insert)
        with self.index_transaction() as connection:
            numbers = sorted(connection.execute(insert.returning(SqlEventLogStorageTable.c.id)).scalars())
        self.store_asset_event_tags(events, numbers)
        # an asset's own row tells of its newest event alone
        newest = {event.get_dagster_event().asset_key: (event, n) for event, n in zip(events, numbers, strict=True)}
        for event, number in newest.values():
            self.store_asset_event(event, number)
