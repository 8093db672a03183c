"""The JSON of the REST paths, as types: for `/openapi.json`, and for the tests that check live answers.

Requests are read more leniently than these types say (`assessments.py`); answers have exactly these members.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from graphql_api.assessments import Verdict

Moment = Annotated[str, Meta(description="Like `2024-01-30 00:00:00:000+0000`.")]
Millis = Annotated[int, Meta(description="Milliseconds since 1970.")]
Clock = Annotated[int | str | None, Meta(description="Epoch milliseconds as a number or text, or ISO 8601.")]
Event = Annotated[dict[str, Any], Meta(description="An ASSESS event as the player sent it.")]


class Face(StrEnum):
    """The envelope of a path."""

    LEARNING = "learning service"
    VIEWING = "viewing service"
    ASSESSMENT = "draft of the viewing service"
    DATASET = "analytics service"
    FILE = "file"
    PLAIN = "plain"


class Params(Struct, forbid_unknown_fields=True):
    """`params` of the learning service and of the draft of the viewing service."""

    resmsgid: None
    msgid: str
    err: str | None
    status: str
    errmsg: str | None


class ViewingParams(Struct, forbid_unknown_fields=True):
    """`params` of the viewing service."""

    resmsgid: str
    msgid: str
    status: Literal["successful", "failed"]
    err: str | None
    errmsg: str | None


class DatasetParams(Struct, forbid_unknown_fields=True):
    """`params` of the analytics service."""

    resmsgid: str
    status: Literal["successful", "failed"]
    err: str | None
    errmsg: str | None


PARAMS = {
    Face.LEARNING: Params,
    Face.ASSESSMENT: Params,
    Face.VIEWING: ViewingParams,
    Face.DATASET: DatasetParams,
}


class Nothing(Struct, forbid_unknown_fields=True):
    """Nothing was found."""


# --- writing attempts ---


class Content(Struct):
    """A content whose progress a client reports; it is checked and not stored."""

    contentId: str
    status: int
    courseId: str | None = None
    collectionId: str | None = None
    batchId: str | None = None
    lastUpdatedTime: Moment | None = None
    lastCompletedTime: Moment | None = None


class Assessment(Struct):
    """An attempt with its answers, under Sunbird's names."""

    assessmentTs: Clock
    courseId: str
    contentId: str
    batchId: str
    userId: str
    attemptId: str
    events: list[Event]


class StateUpdate(Struct):
    """Contents, assessments or both; with neither, the learner's scores are computed again."""

    contents: list[Content] | None = None
    assessments: list[Assessment] | None = None
    userId: str | None = None
    courseId: str | None = None
    collectionId: str | None = None
    batchId: str | None = None


class Update(Struct):
    """An attempt with its answers, or a list of attempts that each have `events`."""

    userId: str | None = None
    courseId: str | None = None
    collectionId: str | None = None
    batchId: str | None = None
    contextId: Annotated[str | None, Meta(description="The batch.")] = None
    contentId: str | None = None
    attemptId: str | None = None
    assessmentTs: Clock = None
    assessments: list[Event] | None = None
    events: list[Event] | None = None


class Detail(Struct, forbid_unknown_fields=True):
    """What became of one assessment or content."""

    status: Verdict
    reason: str | None
    attemptId: str | UnsetType = UNSET
    contentId: str | UnsetType = UNSET


class Stored(Struct):
    """What was stored; a key for each batch or content that was accepted is added."""

    details: list[Detail] | UnsetType = UNSET
    BATCH_NOT_EXISTS: list[str] | UnsetType = UNSET
    NOT_A_ON_GOING_BATCH: list[str] | UnsetType = UNSET
    response: Literal["SUCCESS"] | UnsetType = UNSET


# --- reading scores ---


class ScoreRead(Struct):
    """A learner and an assessment. A missing `userId` is the caller."""

    assessmentId: str
    userId: str | None = None
    courseId: str | None = None
    batchId: str | None = None


class Score(Struct, forbid_unknown_fields=True):
    """The scores of a learner at an assessment in a batch."""

    userId: str
    batchId: str
    courseId: str
    assessmentId: str
    bestScore: float
    totalMaxScore: float
    lastAttemptedScore: float
    updated_on: Millis | None
    minScore: float
    averageScore: float
    attemptsCount: int


class BestScore(Score, forbid_unknown_fields=True):
    """The best score; if there are several, `assessments` has all of them."""

    assessments: list[Score] | UnsetType = UNSET


class StateRead(Struct):
    """A learner in a batch. A missing `userId` is the caller; a course is required under one of its names."""

    batchId: str
    userId: str | None = None
    courseId: str | None = None
    collectionId: str | None = None
    courseIds: list[str] | None = None
    contentIds: list[str] | None = None
    fields: list[str] | None = None


class AttemptScore(Struct, forbid_unknown_fields=True):
    """The score of an attempt."""

    attemptId: str
    lastAttemptedOn: Moment | None
    totalMaxScore: float
    totalScore: float


class ContentState(Struct, forbid_unknown_fields=True):
    """A content with at least one attempt."""

    contentId: str
    batchId: str
    courseId: str
    collectionId: str
    status: Literal[2]
    progress: Literal[100]
    score: list[AttemptScore] | UnsetType = UNSET


class States(Struct, forbid_unknown_fields=True):
    """The contents that the learner attempted."""

    contentList: list[ContentState]


class AttemptRead(Struct):
    """A learner and an assessment in a batch; missing ids as in `/v1/assessment/submit`."""

    contentId: str
    userId: str | None = None
    collectionId: str | None = None
    contextId: str | None = None
    courseId: str | None = None
    batchId: str | None = None


class AttemptTotal(Struct, forbid_unknown_fields=True):
    """The score of an attempt, in the draft of the viewing service."""

    attemptId: str
    score: float
    max_score: float


class Attempts(Struct, forbid_unknown_fields=True):
    """All attempts of a learner at an assessment in a batch."""

    userId: str
    contentId: str
    collectionId: str
    contextId: str
    assessments: list[AttemptTotal]


# --- requests for reports ---


class ReportSubmit(Struct):
    """A report of one or more batches."""

    tag: str
    dataset: str
    datasetConfig: dict[str, Any]
    output_format: str | None = None
    encryptionKey: str | None = None
    requestedBy: str | None = None


class ReportFilters(Struct):
    """Which requests to list."""

    dataset: str | None = None
    status: str | None = None
    requestedDate: str | None = None
    channel: str | None = None


class ReportSearch(Struct):
    """Which requests to list, and how many."""

    filters: ReportFilters | None = None
    limit: int | None = None


class JobStats(Struct, forbid_unknown_fields=True):
    """The times of a request."""

    dtJobSubmitted: Millis
    dtJobCompleted: Millis | None
    executionTime: Millis | None


class Job(Struct, forbid_unknown_fields=True):
    """A request for a report."""

    requestId: str
    tag: str
    dataset: str
    requestedBy: str
    requestedChannel: str
    status: Literal["SUBMITTED", "PROCESSING", "SUCCESS", "FAILED"]
    lastUpdated: Millis
    datasetConfig: dict[str, Any]
    attempts: int
    jobStats: JobStats
    downloadUrls: list[str]
    expiresAt: Millis
    statusMessage: str | None
    progress: Annotated[int, Meta(ge=0, le=100)]


class Jobs(Struct, forbid_unknown_fields=True):
    """Requests for reports, the newest first."""

    count: int
    jobs: list[Job]


class Health(Struct, forbid_unknown_fields=True):
    """The state of the process."""

    status: Literal["ok", "unavailable"]
    message: str | UnsetType = UNSET


class Dependencies(Struct, forbid_unknown_fields=True):
    """The state of the process and of each dependency: hot store, lake and log."""

    status: Literal["ok", "degraded", "unavailable"]
    dependencies: dict[str, Health]
