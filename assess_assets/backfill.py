"""One backfill over ranges of slices, asked of a running Dagster over GraphQL, as its own UI asks.

`dagster job backfill` would start a run for each slice, `dagster asset materialize` cannot cut a range into runs.
"""

import http.client
import json
import urllib.request
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from assess_assets.registration import Range
from assess_core.errors import StoreUnavailable

ASSETS: Final = ("archived_attempts", "cleared_attempts")

_PATIENCE: Final = 120  # seconds: Dagster looks every slice of a backfill up before it answers
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
    """How far a backfill is."""

    status: str
    """Dagster's name for it: REQUESTED while it runs, then COMPLETED_SUCCESS, COMPLETED_FAILED, CANCELED or FAILED."""
    targeted: int
    """Slices times assets."""
    done: int
    failed: int

    @property
    def has_ended(self) -> bool:
        return self.status in {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "CANCELED", "FAILED"}

    @property
    def succeeded(self) -> bool:
        return self.status == "COMPLETED_SUCCESS"


class Dagster:
    """A running Dagster. All methods raise `StoreUnavailable`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ask(self, query: str, **variables: object) -> Any:
        """The data of an answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
                answer = json.load(response)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)  # what urllib wraps
            raise StoreUnavailable(
                f"Dagster at {self.url} did not answer ({getattr(reason, 'strerror', None) or reason}); "
                "`assess up` runs it and prints its address"
            ) from error
        if "errors" in answer:
            raise self._refused(answer["errors"][0]["message"])
        return answer["data"]

    def registered(self) -> list[str]:
        """The registered slice keys, in their order."""
        found: list[str] = self.ask(_KEYS)["assetNodeOrError"].get("partitionKeys", [])
        return found

    def backfill(self, ranges: Sequence[Range], title: str) -> str:
        """Ask for slices to be archived, verified and cleared; returns the id of the backfill."""
        partitions = {"ranges": [{"start": each.first, "end": each.last} for each in ranges]}
        asked = {
            "partitionsByAssets": [{"assetKey": {"path": [asset]}, "partitions": partitions} for asset in ASSETS],
            "title": title,
        }
        answer = self.ask(_LAUNCH, asked=asked)["launchPartitionBackfill"]
        if "backfillId" not in answer:
            raise self._refused(answer.get("message", answer["__typename"]))
        return str(answer["backfillId"])

    def state(self, backfill: str) -> State:
        """How far it is."""
        found = self.ask(_STATE, id=backfill)["partitionBackfillOrError"]
        if "status" not in found:
            raise self._refused(f"it knows no backfill {backfill}")
        counts = (found["assetBackfillData"] or {}).get("assetBackfillStatuses", [])
        targeted, done, failed = (
            sum(each[f"numPartitions{name}"] for each in counts) for name in ("Targeted", "Materialized", "Failed")
        )
        return State(found["status"], targeted, done, failed)

    def _refused(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(f"Dagster at {self.url} refused: {why.splitlines()[0]}")
