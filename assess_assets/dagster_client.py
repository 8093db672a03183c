"""A client of a running Dagster: its GraphQL API, which its UI uses too."""

import http.client
import json
import urllib.request
from typing import Any, Final

from assess_core.errors import StoreUnavailable

_TIMEOUT: Final = 120  # seconds; Dagster looks up every slice of a backfill before it answers


class DagsterClient:
    """A running Dagster. All methods raise `StoreUnavailable`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ask(self, query: str, **variables: object) -> Any:
        """Send a query; returns its data."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
                answer = json.load(response)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)  # what urllib wraps
            raise StoreUnavailable(
                f"Dagster at {self.url} did not answer ({getattr(reason, 'strerror', None) or reason}); "
                "`assess up` runs it and prints its address"
            ) from error
        if "errors" in answer:
            raise self.refused(answer["errors"][0]["message"])
        return answer["data"]

    def refused(self, why: str) -> StoreUnavailable:
        """The error for a request that Dagster answered with a refusal."""
        return StoreUnavailable(f"Dagster at {self.url} refused: {why.splitlines()[0]}")
