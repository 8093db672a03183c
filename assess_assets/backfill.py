"""Starts one backfill over ranges of slices, through the GraphQL API of a running Dagster, as its UI does.

`dagster job backfill` would start one run per slice. `dagster asset materialize` cannot divide a range into runs.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from assess_assets.dagster_client import DagsterClient
from assess_assets.registration import Range

ASSETS: Final = ("archived_attempts", "cleared_attempts")

_KEYS: Final = '{assetNodeOrError(assetKey: {path: ["archived_attempts"]}) {... on AssetNode {partitionKeys}}}'
_LAUNCH: Final = """
mutation($asked: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $asked) {
    __typename
    ... on LaunchBackfillSuccess {backfillId}
    ... on PythonError {message}
    ... on PartitionKeysNotFoundError {message}
    ... on UnauthorizedError {message}
  }
}
"""
_STATE: Final = """
query($id: String!) {partitionBackfillOrError(backfillId: $id) {... on PartitionBackfill {
  status error {message} assetBackfillData {assetBackfillStatuses {... on AssetPartitionsStatusCounts {
    assetKey {path} numPartitionsTargeted numPartitionsInProgress numPartitionsMaterialized numPartitionsFailed
}}}}}}
"""


class State(NamedTuple):
    """The progress of a backfill."""

    status: str
    """Dagster's status: REQUESTED while it runs, then COMPLETED_SUCCESS, COMPLETED_FAILED, CANCELED or FAILED."""
    targeted: int
    """Number of slices times number of assets."""
    done: int
    failed: int

    @property
    def has_ended(self) -> bool:
        return self.status in {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "CANCELED", "FAILED"}

    @property
    def succeeded(self) -> bool:
        return self.status == "COMPLETED_SUCCESS"


class Dagster(DagsterClient):
    """A running Dagster that starts backfills. All methods raise `StoreUnavailable`."""

    def registered(self) -> list[str]:
        """The registered slice keys, in the order of registration."""
        found: list[str] = self.ask(_KEYS)["assetNodeOrError"].get("partitionKeys", [])
        return found

    def backfill(self, ranges: Sequence[Range], title: str) -> str:
        """Start a backfill that archives, verifies and clears these slices; returns its id."""
        partitions = {"ranges": [{"start": each.first, "end": each.last} for each in ranges]}
        asked = {
            "partitionsByAssets": [{"assetKey": {"path": [asset]}, "partitions": partitions} for asset in ASSETS],
            "title": title,
        }
        answer = self.ask(_LAUNCH, asked=asked)["launchPartitionBackfill"]
        if "backfillId" not in answer:
            raise self.refused(answer.get("message", answer["__typename"]))
        return str(answer["backfillId"])

    def state(self, backfill: str) -> State:
        """The progress of a backfill with this id."""
        found = self.ask(_STATE, id=backfill)["partitionBackfillOrError"]
        if "status" not in found:
            raise self.refused(f"it knows no backfill {backfill}")
        counts = (found["assetBackfillData"] or {}).get("assetBackfillStatuses", [])
        targeted, done, failed = (
            sum(each[f"numPartitions{name}"] for each in counts) for name in ("Targeted", "Materialized", "Failed")
        )
        return State(found["status"], targeted, done, failed)
