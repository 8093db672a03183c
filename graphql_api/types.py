"""The GraphQL types: one for each view of `assess_core.usecases.views`."""

from typing import Any

import graphene
from graphene.relay import PageInfo

from assess_core.domain.attempts import Answer as StoredAnswer
from assess_core.domain.moments import iso
from assess_core.domain.scores import SummaryKey
from assess_core.domain.slice_status import SliceStatus as Status
from assess_core.domain.slice_status import SliceView
from assess_core.usecases.paging import FIRST, MOST, cursor
from assess_core.usecases.views import Attempt as AttemptView
from assess_core.usecases.views import Page, WeekCounts
from assess_core.usecases.views import Score as ScoreView
from graphql_api.node_ids import BatchKey, node_id
from graphql_api.reading import BatchReads, Info

_PAGE = f"Attempts per page, 1 to {MOST}."


class Moment(graphene.Scalar):
    """A moment in UTC as ISO 8601 with milliseconds: `2024-12-30T23:59:59.999Z`."""

    serialize = staticmethod(iso)


class Texts(graphene.Scalar):
    """A small map of texts, as the player sent it: a JSON object."""

    @staticmethod
    def serialize(value: dict[str, str]) -> dict[str, str]:
        """Return the map unchanged."""
        return value


SliceStatus = graphene.Enum.from_enum(Status, description=lambda value: None if value else "The progress of a slice.")


class Node(graphene.Interface):
    """An object that `node(id)` finds again."""

    id = graphene.ID(required=True)

    @classmethod
    def resolve_type(cls, instance: Any, _info: Info) -> Any:
        """The type of an object that a resolver returned."""
        return {AttemptView: Attempt, SliceView: Slice, BatchReads: Batch, ScoreView: Score}[type(instance)]


class Score(graphene.ObjectType):
    """The scores of a learner at an assessment in a batch, over all attempts, also the archived ones."""

    class Meta:
        interfaces = (Node,)

    user_id = graphene.ID(required=True)
    course_id = graphene.ID(required=True)
    batch_id = graphene.ID(required=True)
    assessment_id = graphene.ID(required=True)
    best_score = graphene.Float(required=True)
    total_max_score = graphene.Float(required=True, description="The maximum score of the best attempt.")
    last_attempted_score = graphene.Float(required=True)
    min_score = graphene.Float(required=True)
    average_score = graphene.Float(required=True)
    attempts_count = graphene.Int(required=True)
    updated_on = Moment(description="When the newest version was attempted; null if it has no clock.")

    @staticmethod
    def resolve_id(score: ScoreView, _info: Info) -> str:
        return node_id(SummaryKey(score.user_id, score.assessment_id, score.course_id, score.batch_id))

    @staticmethod
    def resolve_updated_on(score: ScoreView, _info: Info) -> int | None:
        return score.updated_on or None


class Answer(graphene.ObjectType):
    """The response to one question."""

    question_id = graphene.ID(required=True)
    answered_on = Moment()
    score = graphene.Float(required=True)
    max_score = graphene.Float(required=True)
    duration = graphene.Float(required=True, description="Seconds, as the player counts them.")
    type = graphene.String()
    title = graphene.String()
    description = graphene.String()
    params = graphene.List(graphene.NonNull(Texts), required=True, description="The options.")
    resvalues = graphene.List(graphene.NonNull(Texts), required=True, description="The responses.")

    @staticmethod
    def resolve_question_id(answer: StoredAnswer, _info: Info) -> str:
        return answer.id

    @staticmethod
    def resolve_answered_on(answer: StoredAnswer, _info: Info) -> int | None:
        return answer.assess_ts


class Attempt(graphene.ObjectType):
    """One try of one learner at one assessment, with the content of its newest version."""

    class Meta:
        interfaces = (Node,)

    user_id = graphene.ID(required=True)
    course_id = graphene.ID(required=True)
    batch_id = graphene.ID(required=True)
    assessment_id = graphene.ID(required=True)
    attempt_id = graphene.ID(required=True)
    last_attempted_on = Moment(description="Null if it has no clock.")
    total_score = graphene.Float(required=True)
    total_max_score = graphene.Float(required=True)
    grand_total = graphene.String(required=True)
    updated_on = Moment(required=True, description="When this version was first received.")
    original_score = graphene.Float(required=True, description="The score that was submitted, without corrections.")
    original_max_score = graphene.Float(required=True)
    answers = graphene.List(graphene.NonNull(Answer), required=True, description="Sorted by question id.")
    dropped_at = Moment(description="When retention dropped the answers. Null if they are stored.")

    @staticmethod
    def resolve_id(attempt: AttemptView, _info: Info) -> str:
        return node_id(attempt.key)

    @staticmethod
    def resolve_user_id(attempt: AttemptView, _info: Info) -> str:
        return attempt.key.user_id

    @staticmethod
    def resolve_course_id(attempt: AttemptView, _info: Info) -> str:
        return attempt.key.course_id

    @staticmethod
    def resolve_batch_id(attempt: AttemptView, _info: Info) -> str:
        return attempt.key.batch_id

    @staticmethod
    def resolve_assessment_id(attempt: AttemptView, _info: Info) -> str:
        return attempt.key.content_id

    @staticmethod
    def resolve_attempt_id(attempt: AttemptView, _info: Info) -> str:
        return attempt.key.attempt_id

    @staticmethod
    def resolve_last_attempted_on(attempt: AttemptView, _info: Info) -> int | None:
        return attempt.last_attempted_on or None


class AttemptEdge(graphene.ObjectType):
    """An attempt, and the cursor of the page after it."""

    node = graphene.Field(Attempt, required=True)
    cursor = graphene.String(required=True)

    @staticmethod
    def resolve_node(attempt: AttemptView, _info: Info) -> AttemptView:
        return attempt

    @staticmethod
    def resolve_cursor(attempt: AttemptView, _info: Info) -> str:
        return cursor(attempt.key)


class AttemptConnection(graphene.ObjectType):
    """A page of attempts, ordered by learner, course, batch, assessment, attempt id."""

    edges = graphene.List(graphene.NonNull(AttemptEdge), required=True)
    page_info = graphene.Field(PageInfo, required=True)

    @staticmethod
    def resolve_edges(page: Page, _info: Info) -> tuple[AttemptView, ...]:
        return page.attempts

    @staticmethod
    def resolve_page_info(page: Page, _info: Info) -> PageInfo:
        keys = [attempt.key for attempt in page.attempts]
        return PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=cursor(keys[0]) if keys else None,
            end_cursor=cursor(keys[-1]) if keys else None,
        )


class Slice(graphene.ObjectType):
    """All versions of one batch that were received in one ISO week: the unit of archive, verify and clear."""

    class Meta:
        interfaces = (Node,)

    id = graphene.ID(required=True, description="`BATCH|2024-W05`.")
    batch_id = graphene.ID(required=True)
    week = graphene.String(required=True, description="`2024-W05`.")
    status = SliceStatus(required=True)
    hot_rows = graphene.Int(required=True)
    lake_rows = graphene.Int(required=True)
    archived_at = Moment()
    verified_at = Moment()
    cleared_at = Moment()
    why_open = graphene.String(description="What an open slice waits for.")
    note = graphene.String()

    @staticmethod
    def resolve_id(view: SliceView, _info: Info) -> str:
        return str(view.slice)

    @staticmethod
    def resolve_batch_id(view: SliceView, _info: Info) -> str:
        return view.slice.batch_id

    @staticmethod
    def resolve_week(view: SliceView, _info: Info) -> str:
        return str(view.slice.week)


class Week(graphene.ObjectType):
    """The number of attempts and versions that were received in one ISO week."""

    week = graphene.String(required=True, description="`2024-W05`.")
    attempts = graphene.Int(required=True, description="Attempts whose newest version was received in this week.")
    versions = graphene.Int(required=True)

    @staticmethod
    def resolve_week(counts: WeekCounts, _info: Info) -> str:
        return str(counts.week)


def _number(name: str) -> Any:
    def resolve(batch: BatchReads, _info: Info) -> object:
        return getattr(batch.overview, name)

    return resolve


class Batch(graphene.ObjectType):
    """One run of a course: its counts, attempts and slices."""

    class Meta:
        interfaces = (Node,)

    batch_id = graphene.ID(required=True)
    attempts_count = graphene.Int(required=True, resolver=_number("attempts"))
    learners_count = graphene.Int(required=True, resolver=_number("learners"))
    assessments_count = graphene.Int(required=True, resolver=_number("assessments"))
    versions_count = graphene.Int(required=True, resolver=_number("versions"))
    mean_score = graphene.Float(resolver=_number("mean_score"), description="Null if there are no attempts.")
    first_received = Moment(resolver=_number("first_received"))
    last_received = Moment(resolver=_number("last_received"))
    weeks = graphene.List(graphene.NonNull(Week), required=True, resolver=_number("weeks"))
    attempts = graphene.Field(
        AttemptConnection,
        required=True,
        user_id=graphene.ID(),
        course_id=graphene.ID(),
        assessment_id=graphene.ID(),
        first=graphene.Int(default_value=FIRST, description=_PAGE),
        after=graphene.String(description="A cursor."),
    )
    slices = graphene.List(graphene.NonNull(Slice), required=True)

    @staticmethod
    def resolve_id(batch: BatchReads, _info: Info) -> str:
        return node_id(BatchKey(batch.batch_id))

    @staticmethod
    def resolve_attempts(batch: BatchReads, _info: Info, **asked: Any) -> Page:
        return batch.attempts(**asked)

    @staticmethod
    def resolve_slices(batch: BatchReads, _info: Info) -> list[SliceView]:
        return batch.slices()
