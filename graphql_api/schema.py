"""The GraphQL schema: the root fields and their arguments."""

from typing import Any, Final

import graphene

from assess_core.domain.slice_status import SliceStatus as Status
from assess_core.domain.slice_status import SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.paging import FIRST, MOST
from assess_core.usecases.views import Page
from assess_core.usecases.views import Score as ScoreView
from graphql_api.correction_types import CorrectionQuery
from graphql_api.cost import FIRST_BATCHES
from graphql_api.explain_types import ExplainQuery
from graphql_api.node_ids import needed, read_node_id
from graphql_api.operator_types import OperatorMutation, OperatorQuery
from graphql_api.permissions import protect, require
from graphql_api.reading import MOST_BATCHES, BatchReads, Info, batches_of, caller_of, node_of, queries_of
from graphql_api.report_types import ReportMutation, ReportQuery
from graphql_api.seal_types import SealQuery
from graphql_api.ticket_types import TicketQuery
from graphql_api.types import AttemptConnection, Batch, Node, Score, Slice, SliceStatus

_OF_WHOM: Final = {
    "user_id": graphene.ID(required=True),
    "assessment_id": graphene.ID(required=True),
    "course_id": graphene.ID(),
    "batch_id": graphene.ID(),
}


class Query(ExplainQuery, ReportQuery, OperatorQuery, TicketQuery, SealQuery, CorrectionQuery):
    """Scores and attempts of learners, counts of batches, slices and their status. Archiving changes no answer."""

    score = graphene.Field(
        Score, **_OF_WHOM, description="The best score of a learner at an assessment; null if there is none."
    )
    scores = graphene.List(
        graphene.NonNull(Score), required=True, **_OF_WHOM, description="A score per course and batch, the best first."
    )
    attempts = graphene.Field(
        AttemptConnection,
        required=True,
        user_id=graphene.ID(),
        batch_id=graphene.ID(),
        course_id=graphene.ID(),
        assessment_id=graphene.ID(),
        first=graphene.Int(default_value=FIRST, description=f"Attempts per page, 1 to {MOST}."),
        after=graphene.String(description="A cursor."),
        description="The attempts of a learner, or of a batch, with their answers.",
    )
    batch = graphene.Field(Batch, batch_id=graphene.ID(required=True))
    batches = graphene.List(
        graphene.NonNull(Batch),
        required=True,
        course_id=graphene.ID(required=True),
        first=graphene.Int(default_value=FIRST_BATCHES, description=f"Batches per page, 1 to {MOST_BATCHES}."),
        after=graphene.ID(description="The `batchId` of the last batch of the previous page."),
        description="The batches of a course that the facts name, ordered by id, also those without attempts.",
    )
    slices = graphene.List(
        graphene.NonNull(Slice),
        required=True,
        batch_id=graphene.ID(),
        status=SliceStatus(),
        first=graphene.Int(default_value=MOST, description=f"Slices per page, 1 to {MOST}."),
        after=graphene.ID(description="The `id` of the last slice of the previous page."),
        description="Ordered by week, then batch.",
    )

    node = graphene.Field(
        Node, id=graphene.ID(required=True), description="The object with this id; null if it does not exist."
    )

    @staticmethod
    def resolve_node(_root: None, info: Info, id: str) -> object:
        key = read_node_id(id)
        require(caller_of(info), *needed(key), "Query.node")
        return node_of(info, key)

    @staticmethod
    def resolve_score(_root: None, info: Info, **asked: Any) -> ScoreView | None:
        return next(iter(queries_of(info).score(**asked).found), None)

    @staticmethod
    def resolve_scores(_root: None, info: Info, **asked: Any) -> tuple[ScoreView, ...]:
        return queries_of(info).score(**asked).found

    @staticmethod
    def resolve_attempts(_root: None, info: Info, **asked: Any) -> Page:
        return queries_of(info).attempts(**asked)

    @staticmethod
    def resolve_batch(_root: None, info: Info, batch_id: str) -> BatchReads:
        return BatchReads(queries_of(info), batch_id)

    @staticmethod
    def resolve_batches(
        _root: None, info: Info, course_id: str, first: int, after: str | None = None
    ) -> list[BatchReads]:
        return batches_of(info, course_id, first, after or "")

    @staticmethod
    def resolve_slices(
        _root: None,
        info: Info,
        first: int,
        batch_id: str | None = None,
        status: Status | None = None,
        after: str | None = None,
    ) -> list[SliceView]:
        last = ArchiveSlice.parse(after) if after else None
        return queries_of(info).slice_page(batch_id=batch_id, status=status, first=first, after=last)


class Mutation(ReportMutation, OperatorMutation):
    """Requests for reports, and replays. For requests, the header X-Channel-ID names the channel."""


schema: Final = protect(graphene.Schema(query=Query, mutation=Mutation).graphql_schema)
"""The schema as graphql-core executes it; each field asks the policy first."""
