"""Dagster's event log in SQLite, with two changes. `dagster.yaml` names the class; the database files stay the same.

1. A batch of events is written as a batch. Dagster's own class opens two databases for each event, which takes 10 ms of
   processor time; a slice has four events. In a batch, an event takes 1 ms. `assess up` sets DAGSTER_EVENT_BATCH_SIZE,
   so that events come in batches.
2. A failed run is stored together with the answer whether it will be retried. Dagster's own class stores the answer a
   moment after the failure. A backfill that looks in between sees no run in progress and ends as failed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import dagster as dg

from assess_assets.dagster_internals import (
    ASSET_EVENTS,
    WILL_RETRY_TAG,
    ConfigurableClassData,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
)


class BatchedEventLog(SqliteEventLogStorage):
    """Writes batches of asset events, and failures of runs. Dagster's own class does everything else."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Build this class from dagster.yaml. Dagster's own method always builds a `SqliteEventLogStorage`."""
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store one event. Before the failure of a run, store "will be retried"; Dagster then corrects it if needed."""
        if event.dagster_event_type is dg.DagsterEventType.RUN_FAILURE and self._instance.run_retries_enabled:
            self._instance.add_run_tags(event.run_id, {WILL_RETRY_TAG: "true"})
        super().store_event(event)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store the asset events in one transaction per database, then the other events."""
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
        # the row of an asset describes only its newest event
        newest = {event.get_dagster_event().asset_key: (event, n) for event, n in zip(events, numbers, strict=True)}
        for event, number in newest.values():
            self.store_asset_event(event, number)
