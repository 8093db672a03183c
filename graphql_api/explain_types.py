"""The GraphQL types of `explain`: a score, its versions, and where each lies."""

from typing import Any

import graphene

from assess_core.usecases.explaining import Copy, Explanation, Told, Voucher
from assess_core.usecases.story import story
from graphql_api.reading import Info, queries_of
from graphql_api.types import Answer, Moment


class LogEvent(graphene.ObjectType):
    """A record of the log."""

    topic = graphene.String(required=True, description="The topic in Kafka, or the path of a file.")
    partition = graphene.Int(required=True)
    offset = graphene.Float(required=True, description="The offset in Kafka, or the number of a line, from 1.")


class ManifestVoucher(graphene.ObjectType):
    """The newest manifest entry that vouches for a copy in the lake."""

    number = graphene.Int(required=True, description="Its position in the chain of the slice, from 1.")
    action = graphene.String(required=True)
    at = Moment(required=True)
    delta_version = graphene.Int(required=True)
    digest = graphene.String(required=True, description="The digest of all copies of the slice.")
    previous = graphene.String(required=True)
    hash = graphene.String(required=True)
    chain_problem = graphene.String(description="What is wrong with the chain of the slice; null if it is intact.")
    file_sha256 = graphene.String(name="fileSha256", description="Null if no entry names the file yet.")

    @staticmethod
    def resolve_number(voucher: Voucher, _info: Info) -> int:
        return voucher.entry.number

    @staticmethod
    def resolve_action(voucher: Voucher, _info: Info) -> str:
        return voucher.entry.action.value

    @staticmethod
    def resolve_at(voucher: Voucher, _info: Info) -> int:
        return voucher.entry.at

    @staticmethod
    def resolve_delta_version(voucher: Voucher, _info: Info) -> int:
        return voucher.entry.delta_version

    @staticmethod
    def resolve_digest(voucher: Voucher, _info: Info) -> str:
        return voucher.entry.contents.digest

    @staticmethod
    def resolve_previous(voucher: Voucher, _info: Info) -> str:
        return voucher.entry.previous

    @staticmethod
    def resolve_hash(voucher: Voucher, _info: Info) -> str:
        return voucher.entry.hash


class StoredCopy(graphene.ObjectType):
    """A stored copy of a version. A version that was received in two weeks can have two copies in each tier."""

    tier = graphene.String(required=True, description="`hot` or `lake`.")
    slice = graphene.ID(required=True)
    received_at = Moment(required=True)
    sound = graphene.Boolean(required=True, description="Whether the stored columns give the content hash again.")
    file = graphene.String(description="The Parquet file; null in the hot store.")
    row_group = graphene.Int()
    row = graphene.Int(description="The number of the row in its row group, from 0.")
    manifest = graphene.Field(ManifestVoucher)
    answers = graphene.List(graphene.NonNull(Answer), required=True, description="Not for auditors.")

    @staticmethod
    def resolve_slice(copy: Copy, _info: Info) -> str:
        return str(copy.slice)

    @staticmethod
    def resolve_manifest(copy: Copy, _info: Info) -> Voucher | None:
        return copy.voucher


class ExplainedVersion(graphene.ObjectType):
    """An accepted version of an attempt."""

    attempt_id = graphene.ID(required=True)
    content_hash = graphene.String(required=True)
    last_attempted_on = Moment(description="Null if it has no clock.")
    has_answers = graphene.Boolean(required=True)
    score = graphene.Float(required=True, description="The score that counts, under the corrections in force.")
    max_score = graphene.Float(required=True)
    submitted_score = graphene.Float(required=True)
    submitted_max_score = graphene.Float(required=True)
    corrections = graphene.List(
        graphene.NonNull(graphene.ID),
        required=True,
        description="The corrections in force that cover it, in the order in which they apply.",
    )
    received_at = Moment(required=True, description="Its first receipt.")
    counts = graphene.Boolean(required=True)
    superseded_by = graphene.String(description="The content hash of the version that counts instead.")
    rule = graphene.String(
        required=True, description="`only_version`, `later_clock`, `has_answers` or `higher_content_hash`."
    )
    slice = graphene.ID(required=True, description="The slice of its first receipt.")
    slice_status = graphene.String(required=True)
    dropped_at = Moment(description="When retention dropped it from the lake; null if it did not. Its score stays.")
    scores_kept_at = Moment(description="When the lake kept its score without answers; null if it did not.")
    copies = graphene.List(
        graphene.NonNull(StoredCopy), required=True, description="Empty if the version was dropped or is lost."
    )
    event = graphene.Field(LogEvent)
    event_note = graphene.String(required=True, description="Why the event was not found in the log.")

    @staticmethod
    def resolve_attempt_id(told: Told, _info: Info) -> str:
        return told.judged.entry.attempt_id

    @staticmethod
    def resolve_content_hash(told: Told, _info: Info) -> str:
        return told.judged.entry.version.content_hash.hex()

    @staticmethod
    def resolve_last_attempted_on(told: Told, _info: Info) -> int | None:
        return told.judged.entry.version.last_attempted_on or None

    @staticmethod
    def resolve_has_answers(told: Told, _info: Info) -> bool:
        return told.judged.entry.version.has_answers

    @staticmethod
    def resolve_score(told: Told, _info: Info) -> float:
        return told.judged.entry.score

    @staticmethod
    def resolve_max_score(told: Told, _info: Info) -> float:
        return told.judged.entry.max_score

    @staticmethod
    def resolve_submitted_score(told: Told, _info: Info) -> float:
        return told.submitted.score

    @staticmethod
    def resolve_submitted_max_score(told: Told, _info: Info) -> float:
        return told.submitted.max_score

    @staticmethod
    def resolve_corrections(told: Told, _info: Info) -> list[str]:
        return [one.id for one in told.corrections]

    @staticmethod
    def resolve_received_at(told: Told, _info: Info) -> int:
        return told.judged.entry.received_at

    @staticmethod
    def resolve_counts(told: Told, _info: Info) -> bool:
        return told.judged.counts

    @staticmethod
    def resolve_superseded_by(told: Told, _info: Info) -> str | None:
        return told.judged.superseded_by.hex() if told.judged.superseded_by else None

    @staticmethod
    def resolve_rule(told: Told, _info: Info) -> str:
        return told.judged.rule.value

    @staticmethod
    def resolve_slice(told: Told, _info: Info) -> str:
        return str(told.slice.slice)

    @staticmethod
    def resolve_slice_status(told: Told, _info: Info) -> str:
        return told.slice.status.value


class ExplainedScore(graphene.ObjectType):
    """A score of a learner at an assessment in a batch, and everything behind it."""

    user_id = graphene.ID(required=True)
    assessment_id = graphene.ID(required=True)
    course_id = graphene.ID(required=True)
    batch_id = graphene.ID(required=True)
    best_score = graphene.Float(required=True)
    total_max_score = graphene.Float(required=True)
    last_attempted_score = graphene.Float(required=True)
    best_attempt = graphene.ID(required=True, description="Of equal scores, the smallest attempt id.")
    last_attempt = graphene.ID(required=True)
    story = graphene.List(graphene.NonNull(graphene.String), required=True, description="The lines for people.")
    versions = graphene.List(graphene.NonNull(ExplainedVersion), required=True)

    @staticmethod
    def resolve_user_id(found: Explanation, _info: Info) -> str:
        return found.judgement.key.user_id

    @staticmethod
    def resolve_assessment_id(found: Explanation, _info: Info) -> str:
        return found.judgement.key.assessment_id

    @staticmethod
    def resolve_course_id(found: Explanation, _info: Info) -> str:
        return found.judgement.key.course_id

    @staticmethod
    def resolve_batch_id(found: Explanation, _info: Info) -> str:
        return found.judgement.key.batch_id

    @staticmethod
    def resolve_best_score(found: Explanation, _info: Info) -> float:
        return found.judgement.summary.best_score

    @staticmethod
    def resolve_total_max_score(found: Explanation, _info: Info) -> float:
        return found.judgement.summary.total_max_score

    @staticmethod
    def resolve_last_attempted_score(found: Explanation, _info: Info) -> float:
        return found.judgement.summary.last_attempted_score

    @staticmethod
    def resolve_best_attempt(found: Explanation, _info: Info) -> str:
        return found.judgement.best

    @staticmethod
    def resolve_last_attempt(found: Explanation, _info: Info) -> str:
        return found.judgement.last

    @staticmethod
    def resolve_story(found: Explanation, _info: Info) -> list[str]:
        return story(found)


class ExplainQuery(graphene.ObjectType):
    """Why a score is what it is."""

    explain = graphene.List(
        graphene.NonNull(ExplainedScore),
        required=True,
        user_id=graphene.ID(required=True),
        assessment_id=graphene.ID(required=True),
        course_id=graphene.ID(),
        batch_id=graphene.ID(),
        description="Every accepted version behind the scores of a learner at an assessment, and where each lies.",
    )

    @staticmethod
    def resolve_explain(_root: None, info: Info, **asked: Any) -> list[Explanation]:
        return queries_of(info).explain(**asked)
