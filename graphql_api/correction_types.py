"""The GraphQL type and field of corrections, for operators and auditors."""

import graphene

from assess_core.domain.correction_records import Entered
from assess_core.domain.corrections import correction_text, rule_text
from assess_core.usecases.operating import MOST_CORRECTIONS
from graphql_api.reading import Info, operating_of
from graphql_api.types import Moment

_SHOWN = 10_000  # characters of a correction


class Correction(graphene.ObjectType):
    """What the answers to a wrong question are worth, and who decided it."""

    id = graphene.ID(required=True)
    in_force = graphene.Boolean(required=True)
    assessment_id = graphene.ID(required=True)
    question_id = graphene.ID(required=True)
    course_id = graphene.ID(description="Null: all courses.")
    batches = graphene.List(graphene.NonNull(graphene.ID), required=True, description="Empty: all batches.")
    attempted_from = Moment(description="The first moment of an attempt.")
    attempted_to = Moment(description="The first moment after the attempts.")
    rule = graphene.String(required=True, description="What an answer to the question is worth, in words.")
    correction = graphene.String(
        required=True,
        description=f"Scope and rule as JSON, the first {_SHOWN:,} characters; `assess correct list --json` has all.",
    )
    by = graphene.String(required=True)
    reason = graphene.String(required=True)
    at = Moment(required=True, description="Corrections apply in this order.")
    reverted_by = graphene.String(description="Null while the correction is in force.")
    revert_reason = graphene.String()
    reverted_at = Moment()

    @staticmethod
    def resolve_id(entered: Entered, _info: Info) -> str:
        return entered.decided.id

    @staticmethod
    def resolve_in_force(entered: Entered, _info: Info) -> bool:
        return entered.reverted is None

    @staticmethod
    def resolve_assessment_id(entered: Entered, _info: Info) -> str:
        return entered.decided.correction.assessment

    @staticmethod
    def resolve_question_id(entered: Entered, _info: Info) -> str:
        return entered.decided.correction.question

    @staticmethod
    def resolve_course_id(entered: Entered, _info: Info) -> str | None:
        return entered.decided.correction.course

    @staticmethod
    def resolve_batches(entered: Entered, _info: Info) -> tuple[str, ...]:
        return entered.decided.correction.batches

    @staticmethod
    def resolve_attempted_from(entered: Entered, _info: Info) -> int | None:
        return entered.decided.correction.attempted_from

    @staticmethod
    def resolve_attempted_to(entered: Entered, _info: Info) -> int | None:
        return entered.decided.correction.attempted_to

    @staticmethod
    def resolve_rule(entered: Entered, _info: Info) -> str:
        return rule_text(entered.decided.correction.rule)

    @staticmethod
    def resolve_correction(entered: Entered, _info: Info) -> str:
        return correction_text(entered.decided.correction)[: 4 * _SHOWN].decode(errors="replace")[:_SHOWN]

    @staticmethod
    def resolve_by(entered: Entered, _info: Info) -> str:
        return entered.decided.decision.by

    @staticmethod
    def resolve_reason(entered: Entered, _info: Info) -> str:
        return entered.decided.decision.reason

    @staticmethod
    def resolve_at(entered: Entered, _info: Info) -> int:
        return entered.decided.decision.at

    @staticmethod
    def resolve_reverted_by(entered: Entered, _info: Info) -> str | None:
        return entered.reverted and entered.reverted.by

    @staticmethod
    def resolve_revert_reason(entered: Entered, _info: Info) -> str | None:
        return entered.reverted and entered.reverted.reason

    @staticmethod
    def resolve_reverted_at(entered: Entered, _info: Info) -> int | None:
        return entered.reverted and entered.reverted.at


class CorrectionQuery(graphene.ObjectType):
    """For operators and auditors."""

    corrections = graphene.List(
        graphene.NonNull(Correction),
        required=True,
        assessment_id=graphene.ID(description="Only corrections of this assessment."),
        first=graphene.Int(default_value=20, description=f"The newest corrections, 1 to {MOST_CORRECTIONS}."),
        description="All corrections that were ever decided, in the order in which they apply. For auditors.",
    )

    @staticmethod
    def resolve_corrections(_root: None, info: Info, first: int, assessment_id: str | None = None) -> list[Entered]:
        return operating_of(info).corrections(first, assessment_id)
