"""What the fields of one request share: the queries, and the numbers of a batch."""

from typing import Any

from graphql import GraphQLResolveInfo

from assess_core.domain.slice_status import SliceView
from assess_core.usecases.queries import Queries
from assess_core.usecases.views import Overview, Page

Info = GraphQLResolveInfo


class BatchReads:
    """A batch of which only what is asked for is read."""

    def __init__(self, queries: Queries, batch_id: str) -> None:
        self.batch_id = batch_id
        self._queries = queries
        self._overview: Overview | None = None

    @property
    def overview(self) -> Overview:
        """Its numbers, read once. Raises `UnknownBatch`."""
        # no cached_property: before Python 3.12 it has one lock for all batches of the process
        if self._overview is None:
            self._overview = self._queries.batch(self.batch_id)
        return self._overview

    def attempts(self, **asked: Any) -> Page:
        """A page of its attempts. Raises `UnknownBatch`."""
        return self._queries.attempts(batch_id=self.batch_id, **asked)

    def slices(self) -> list[SliceView]:
        """Its slices. Raises `UnknownBatch`."""
        views = self._queries.slices(self.batch_id)
        if not views:
            self._queries.batch(self.batch_id)  # says whether the batch has none yet, or is unknown
        return views


def queries_of(info: Info) -> Queries:
    """What the request that is being answered may ask; its cost was counted before (`cost.py`)."""
    found: Queries = info.context
    return found
