"""The GraphQL types and fields of tickets, for operators."""

from typing import Any

import graphene

from assess_core.domain.ticket_diff import AttemptState
from assess_core.domain.ticket_diff import Change as ChangeOfAttempt
from assess_core.domain.ticket_diff import Difference as FoundDifference
from assess_core.domain.tickets import Ticket as StoredTicket
from assess_core.domain.tickets import TicketStatus as StoredStatus
from assess_core.usecases.operating import MOST_DIFFERENCES, MOST_TICKETS, Compared
from assess_core.usecases.tickets import LATEST
from graphql_api.reading import Info, operating_of
from graphql_api.types import Moment

TicketStatus = graphene.Enum.from_enum(
    StoredStatus, description=lambda value: None if value else "Whether a ticket still holds its files."
)
AttemptChange = graphene.Enum.from_enum(
    ChangeOfAttempt, name="AttemptChange", description=lambda value: None if value else "How an attempt differs."
)


class TicketFile(graphene.ObjectType):
    """A file that a report read."""

    name = graphene.String(required=True)
    rows = graphene.Int(required=True)
    bytes = graphene.Float(required=True, description="A whole number that can be larger than an Int.")
    sha256 = graphene.String(required=True)


class Ticket(graphene.ObjectType):
    """What a report read, kept so that it can be printed again."""

    id = graphene.ID(required=True)
    status = TicketStatus(required=True)
    created = Moment(required=True)
    expires = Moment(required=True)
    report = graphene.String(required=True)
    batches = graphene.List(graphene.NonNull(graphene.String), required=True)
    rows = graphene.Int(description="Rows of the report; null while it is being written.")
    sha256 = graphene.String(description="Of the report; null while it is being written.")
    bytes = graphene.Float(required=True, description="The size of all its files.")
    lake_files = graphene.List(
        graphene.NonNull(TicketFile), required=True, description="Files of the lake that no vacuum deletes."
    )
    hot_rows = graphene.Field(TicketFile, description="The copy of rows of the hot store; null if there were none.")

    @staticmethod
    def resolve_status(ticket: StoredTicket, info: Info) -> StoredStatus:
        return ticket.state(operating_of(info).now())

    @staticmethod
    def resolve_report(ticket: StoredTicket, _info: Info) -> str:
        return ticket.spec.report.value

    @staticmethod
    def resolve_rows(ticket: StoredTicket, _info: Info) -> int | None:
        return None if ticket.sidecar is None else ticket.sidecar.rows

    @staticmethod
    def resolve_sha256(ticket: StoredTicket, _info: Info) -> str | None:
        return None if ticket.sidecar is None else ticket.sidecar.sha256

    @staticmethod
    def resolve_bytes(ticket: StoredTicket, _info: Info) -> int:
        return ticket.bytes


def _of(side: str, name: str) -> Any:
    def resolve(difference: FoundDifference, _info: Info) -> object:
        state: AttemptState | None = getattr(difference, side)
        return None if state is None else getattr(state, name)

    return resolve


def _id(name: str) -> Any:
    def resolve(difference: FoundDifference, _info: Info) -> str:
        state = difference.after or difference.before
        assert state is not None
        found: str = getattr(state.key, name)
        return found

    return resolve


class TicketDifference(graphene.ObjectType):
    """An attempt that is not as it was in the report."""

    change = AttemptChange(required=True)
    user_id = graphene.ID(required=True, resolver=_id("user_id"))
    course_id = graphene.ID(required=True, resolver=_id("course_id"))
    batch_id = graphene.ID(required=True, resolver=_id("batch_id"))
    assessment_id = graphene.ID(required=True, resolver=_id("content_id"))
    attempt_id = graphene.ID(required=True, resolver=_id("attempt_id"))
    score_before = graphene.Float(resolver=_of("before", "total_score"))
    score = graphene.Float(resolver=_of("after", "total_score"))
    received_before = Moment(resolver=_of("before", "received_at"))
    received = Moment(resolver=_of("after", "received_at"))
    versions_before = graphene.Int(resolver=_of("before", "versions"))
    versions = graphene.Int(resolver=_of("after", "versions"))


class TicketDiff(graphene.ObjectType):
    """How the attempts of a report differ from those of another moment."""

    added = graphene.Int(required=True)
    changed = graphene.Int(required=True)
    gone = graphene.Int(required=True)
    differences = graphene.List(
        graphene.NonNull(TicketDifference), required=True, description="The first ones, ordered by batch and learner."
    )


class TicketQuery(graphene.ObjectType):
    """Tickets of reports, for operators."""

    tickets = graphene.List(
        graphene.NonNull(Ticket),
        required=True,
        first=graphene.Int(default_value=20, description=f"1 to {MOST_TICKETS}."),
        after=graphene.ID(description="The `id` of the last ticket of the previous page."),
        description="The tickets of the lake, oldest first.",
    )
    ticket = graphene.Field(Ticket, required=True, id=graphene.ID(required=True), description="A ticket.")
    ticket_diff = graphene.Field(
        TicketDiff,
        required=True,
        id=graphene.ID(required=True),
        other=graphene.String(
            default_value=LATEST, description="Another ticket, or `latest`: the stores as they are now."
        ),
        first=graphene.Int(default_value=100, description=f"The most differences to list, 1 to {MOST_DIFFERENCES:,}."),
        description="The attempts of a ticket's report that were added, changed or are gone. It has a deadline.",
    )

    @staticmethod
    def resolve_tickets(_root: None, info: Info, first: int, after: str | None = None) -> list[StoredTicket]:
        return operating_of(info).tickets(first, after or "")

    @staticmethod
    def resolve_ticket(_root: None, info: Info, id: str) -> StoredTicket:
        return operating_of(info).ticket(id)

    @staticmethod
    def resolve_ticket_diff(_root: None, info: Info, id: str, other: str, first: int) -> Compared:
        return operating_of(info).ticket_diff(id, other, first)
