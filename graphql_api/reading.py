"""The questions of one request; fields of one batch share its answers."""

from typing import Any

from graphql import GraphQLResolveInfo

from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.queries import Queries
from assess_core.usecases.views import Overview, Page, Scores

Info = GraphQLResolveInfo


class Reads:
    """The questions of one request; its cost was counted before (`cost.py`)."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def scores(self, **asked: Any) -> Scores:
        """As `Queries.score`."""
        return self._queries.score(**asked)

    def attempts(self, **asked: Any) -> Page:
        """As `Queries.attempts`."""
        return self._queries.attempts(**asked)

    def batch(self, batch_id: str) -> Overview:
        """As `Queries.batch`."""
        return self._queries.batch(batch_id)

    def slice_page(
        self, *, batch_id: str | None, status: SliceStatus | None, first: int, after: ArchiveSlice | None
    ) -> list[SliceView]:
        """As `Queries.slice_page`."""
        return self._queries.slice_page(batch_id=batch_id, status=status, first=first, after=after)

    def slices(self, batch_id: str | None) -> list[SliceView]:
        """As `Queries.slices`."""
        return self._queries.slices(batch_id)


class BatchReads:
    """A batch of which only what is asked for is read."""

    def __init__(self, reads: Reads, batch_id: str) -> None:
        self.batch_id = batch_id
        self._reads = reads
        self._overview: Overview | None = None

    @property
    def overview(self) -> Overview:
        """Its numbers, read once. Raises `UnknownBatch`."""
        # no cached_property: before Python 3.12 it has one lock for all batches of the process
        if self._overview is None:
            self._overview = self._reads.batch(self.batch_id)
        return self._overview

    def attempts(self, **asked: Any) -> Page:
        """A page of its attempts. Raises `UnknownBatch`."""
        return self._reads.attempts(batch_id=self.batch_id, **asked)

    def slices(self) -> list[SliceView]:
        """Its slices. Raises `UnknownBatch`."""
        views = self._reads.slices(self.batch_id)
        if not views:
            self._reads.batch(self.batch_id)  # says whether the batch has none yet, or is unknown
        return views


def reads(info: Info) -> Reads:
    """The reads of the request that is being answered."""
    found: Reads = info.context
    return found
