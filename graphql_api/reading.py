"""What a request may still read: every field that asks a store takes from one budget."""

from functools import cached_property
from typing import Any, Final

from graphql import GraphQLResolveInfo

from assess_core.errors import BadRequest
from assess_core.usecases.archiving import SliceView
from assess_core.usecases.queries import Queries
from assess_core.usecases.views import Overview, Page, Scores

Info = GraphQLResolveInfo

MOST_READS: Final = 20
"""Aliases repeat a field as often as a query likes; a page of a large batch is some 100 ms of a core."""


class Reads:
    """The questions of one request. Raises `BadRequest` when it has asked too many."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._left = MOST_READS

    def scores(self, **asked: Any) -> Scores:
        """As `Queries.score`."""
        return self._ask().score(**asked)

    def attempts(self, **asked: Any) -> Page:
        """As `Queries.attempts`."""
        return self._ask().attempts(**asked)

    def batch(self, batch_id: str) -> Overview:
        """As `Queries.batch`."""
        return self._ask().batch(batch_id)

    def slices(self, batch_id: str | None) -> list[SliceView]:
        """As `Queries.slices`."""
        return self._ask().slices(batch_id)

    def _ask(self) -> Queries:
        self._left -= 1
        if self._left < 0:
            raise BadRequest(f"the query reads the stores more than {MOST_READS} times; ask in several queries")
        return self._queries


class BatchReads:
    """A batch of which only what is asked for is read."""

    def __init__(self, reads: Reads, batch_id: str) -> None:
        self.batch_id = batch_id
        self._reads = reads

    @cached_property
    def overview(self) -> Overview:
        """Its numbers. Raises `UnknownBatch`."""
        return self._reads.batch(self.batch_id)

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
