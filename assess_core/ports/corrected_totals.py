"""What the core needs from the hot store's table of corrected totals: a cache, from which any row may be missing."""

from collections.abc import Collection, Sequence
from typing import Protocol

from assess_core.domain.corrected_scores import CorrectedTotals


class CorrectedTotalsTable(Protocol):
    """One row per version, under the corrections of its last writer. Methods raise `StoreUnavailable`."""

    def of(self, user_ids: Collection[str]) -> dict[bytes, CorrectedTotals]:
        """The rows of these learners, by content hash."""
        ...

    def put(self, rows: Sequence[CorrectedTotals]) -> None:
        """Write rows, each in place of the row of the same version. A row appears as a whole."""
        ...
