"""The only module that uses private names of Dagster. Another release of Dagster can move or change them.

`tests/assets/test_dagster_internals.py` fails if the installed Dagster is not the tested release.
"""

from collections.abc import Mapping
from typing import Final

import dagster as dg
from dagster._core.events import ASSET_EVENTS
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._serdes import ConfigurableClassData

__all__ = [
    "ASSET_EVENTS",
    "TRIED_WITH",
    "WILL_RETRY_TAG",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "SqlEventLogStorageTable",
    "SqliteEventLogStorage",
    "WorkerStatus",
    "add_partition_metadata",
]

TRIED_WITH: Final = "1.13.27"
"""The release of Dagster with which every name of this module was tested."""


def add_partition_metadata(
    context: dg.AssetExecutionContext, metadata: Mapping[str, Mapping[str, dg.MetadataValue]]
) -> None:
    """Add metadata to the materializations of a step; partition key -> its metadata.

    The public `add_asset_metadata` lists all registered partitions at each call. In a run over 1,000 slices that took a
    third of the time, and the cost grows with the square of their number.
    """
    step = context.get_step_execution_context()
    for key, values in metadata.items():
        step._metadata_accumulator = step._metadata_accumulator.with_additional_asset_metadata(  # noqa: SLF001
            asset_key=context.asset_key, partition_key=key, metadata=values
        )
