"""The objects that the fields of one request share: the queries, the caller, and the overview of a batch."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from graphql import GraphQLResolveInfo

from assess_core.domain.access import Caller
from assess_core.domain.attempts import AttemptKey
from assess_core.domain.report_jobs import Job
from assess_core.domain.report_request import Requester
from assess_core.domain.scores import SummaryKey
from assess_core.domain.slice_status import SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadRequest, UnknownBatch
from assess_core.ports.facts import Facts
from assess_core.usecases.ids import optional, required
from assess_core.usecases.operating import Operating
from assess_core.usecases.queries import Queries
from assess_core.usecases.requesting import Requesting
from assess_core.usecases.views import EMPTY_PAGE, Overview, Page
from graphql_api.node_ids import NodeKey

Info = GraphQLResolveInfo
T = TypeVar("T")
MOST_BATCHES: Final = 100
"""The most batches of a page."""


class RequestReads(NamedTuple):
    """The requests for reports, as the client of one GraphQL request may use them."""

    requesting: Requesting
    requester: Callable[[], Requester]
    """Raises `BadRequest` if the client does not say who it is."""
    urls: Callable[[Job], list[str]]
    """The links to the files of a job."""
    message: Callable[[Job], str | None]
    """Why a job waits, failed, or shows no links."""


class Context(NamedTuple):
    """What the fields of one request share."""

    queries: Queries
    caller: Caller | None
    requests: RequestReads | None = None
    operating: Operating | None = None
    facts: Facts | None = None


class BatchReads:
    """A batch that reads only the requested parts.

    `exists`: facts name the batch, so it has no attempts if no store knows it. Otherwise `UnknownBatch` is raised.
    """

    def __init__(self, queries: Queries, batch_id: str, *, exists: bool = False) -> None:
        self.batch_id = batch_id
        self._queries = queries
        self._exists = exists
        self._overview: Overview | None = None

    @property
    def overview(self) -> Overview:
        """The counts of the batch, read once. Raises `UnknownBatch`."""
        # not a cached_property: before Python 3.12 that has one lock for all batches of the process
        if self._overview is None:
            self._overview = self._or_empty(lambda: self._queries.batch(self.batch_id), Overview.empty(self.batch_id))
        return self._overview

    def attempts(self, **asked: Any) -> Page:
        """A page of its attempts. Raises `UnknownBatch`."""
        return self._or_empty(lambda: self._queries.attempts(batch_id=self.batch_id, **asked), EMPTY_PAGE)

    def slices(self) -> list[SliceView]:
        """Its slices. Raises `UnknownBatch`."""
        views = self._queries.slices(self.batch_id)
        if not views and not self._exists:
            self._queries.batch(self.batch_id)  # an unknown batch raises; a known one may have no slice yet
        return views

    def _or_empty(self, read: Callable[[], T], empty: T) -> T:
        try:
            return read()
        except UnknownBatch:
            if not self._exists:
                raise
            return empty


def queries_of(info: Info) -> Queries:
    """The queries for the current request; its cost was counted before (`cost.py`)."""
    context: Context = info.context
    return context.queries


def caller_of(info: Info) -> Caller | None:
    """The caller of the current request."""
    context: Context = info.context
    return context.caller


def node_of(info: Info, key: NodeKey) -> object:
    """The object with a key, as its resolvers expect it; None if it does not exist."""
    queries = queries_of(info)
    if isinstance(key, AttemptKey):
        return queries.attempt(key)
    if isinstance(key, SummaryKey):
        return next(iter(queries.score(*key).found), None)
    if isinstance(key, ArchiveSlice):
        return queries.slice(key)
    return BatchReads(queries, key.batch_id) if queries.knows(key.batch_id) else None


def batches_of(info: Info, course_id: str, first: int, after: str) -> list[BatchReads]:
    """The batches of a course, as the facts know them. Raises `BadRequest` if there are no facts about batches."""
    context: Context = info.context
    if not 1 <= first <= MOST_BATCHES:
        raise BadRequest(f"first: {first} is not between 1 and {MOST_BATCHES}")
    course_id = required("courseId", course_id)
    found = context.facts.batches_of(course_id, optional("after", after) or "", first) if context.facts else None
    if found is None:
        raise BadRequest("this server knows no batches of courses; set ASSESS_FACTS, or ask for a batch by its id")
    return [BatchReads(context.queries, batch_id, exists=True) for batch_id in found]


def request_reads_of(info: Info) -> RequestReads:
    """The requests for reports. Raises `BadRequest` if this server has none."""
    context: Context = info.context
    if context.requests is None:
        raise BadRequest("this server takes no requests for reports")
    return context.requests


def require_operating(operating: Operating | None) -> Operating:
    """What operators and auditors ask. Raises `BadRequest` if this server does not answer it."""
    if operating is None:
        raise BadRequest("this server answers no questions of operators; start it with `assess api`")
    return operating


def operating_of(info: Info) -> Operating:
    """See `require_operating`."""
    context: Context = info.context
    return require_operating(context.operating)
