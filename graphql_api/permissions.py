"""The action of every path and of every GraphQL field, and the one function that asks the policy.

A path or field that is missing here is refused. A test compares both tables with the app and the schema.
"""

import hashlib
import json
import logging
from typing import Any, Final

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    default_field_resolver,
    is_introspection_type,
)

from assess_core.domain.access import Action, Caller, Denial, Resource, denial_of, denial_of_report
from assess_core.domain.report_spec import Naming, ReportSpec
from assess_core.domain.signed_links import LINK_PATH
from assess_core.errors import AssessError, Forbidden, StoreUnavailable
from assess_core.usecases.views import Attempt
from graphql_api.reading import BatchReads, Info, caller_of

ROUTES: Final = {
    "/": Action.DESCRIBE,
    "/console/style.css": Action.SIGN_IN,
    "/console/sign-in": Action.SIGN_IN,
    "/console/sign-out": Action.SIGN_IN,
    "/console/slices": Action.READ_SLICES,
    "/console/slice": Action.READ_SLICES,
    "/console/steps": Action.AUDIT,
    "/console/corrections": Action.AUDIT,
    "/console/failed": Action.READ_FAILED,
    "/console/holds": Action.READ_FAILED,
    "/console/findings": Action.MONITOR,
    "/console/failed/replay": Action.REPLAY,
    "/console/batches": Action.READ_BATCH,
    "/console/batch": Action.READ_BATCH,
    "/console/overview": Action.REQUEST_REPORTS,
    "/console/learners": Action.READ_SCORES,
    "/console/explain": Action.EXPLAIN,
    "/console/reports": Action.MANAGE_REQUESTS,
    "/console/reports/submit": Action.MANAGE_REQUESTS,  # and REQUEST_REPORTS for each batch
    "/console/reports/cancel": Action.MANAGE_REQUESTS,
    "/graphql": Action.DESCRIBE,  # each field has an action of its own
    "/graphiql": Action.DESCRIBE,
    "/graphiql/start.js": Action.DESCRIBE,
    "/graphiql/{name}": Action.DESCRIBE,
    "/openapi.json": Action.DESCRIBE,
    "/openapi": Action.DESCRIBE,
    "/openapi/{name}": Action.DESCRIBE,
    "/v2/view/assess/read": Action.READ_SCORES,
    "/v2/view/assess/update": Action.WRITE_ATTEMPTS,
    "/v1/content/state/update": Action.WRITE_ATTEMPTS,
    "/v1/user/content/state": Action.WRITE_ATTEMPTS,
    "/api/course/v1/content/state/update": Action.WRITE_ATTEMPTS,
    "/v1/content/state/read": Action.READ_ATTEMPTS,
    "/private/v1/content/state/read": Action.READ_ATTEMPTS,
    "/api/course/v1/content/state/read": Action.READ_ATTEMPTS,
    "/v1/assessment/submit": Action.WRITE_ATTEMPTS,
    "/v1/assessment/read": Action.READ_ATTEMPTS,
    "/dataset/v1/request/submit": Action.MANAGE_REQUESTS,  # and REQUEST_REPORTS for each batch
    "/dataset/v1/request/read/{tag:any}": Action.MANAGE_REQUESTS,
    "/dataset/v1/request/list/{tag:any}": Action.MANAGE_REQUESTS,
    "/dataset/v1/request/search": Action.MANAGE_REQUESTS,
    "/dataset/v1/request/cancel/{tag:any}": Action.MANAGE_REQUESTS,
    LINK_PATH + "{name:any}": Action.DOWNLOAD,
    "/metrics": Action.MONITOR,
    "/health": Action.PROBE,
    "/health/live": Action.PROBE,
    "/health/ready": Action.PROBE,
    "/ready": Action.PROBE,
}
OPEN: Final = frozenset(path for path, action in ROUTES.items() if action is Action.SIGN_IN)
"""The paths of the console that need no token."""
PROBES: Final = frozenset(path for path, action in ROUTES.items() if action is Action.PROBE)


def _open(names: str) -> dict[str, Action | None]:
    """Fields without an action of their own."""
    return dict.fromkeys(names.split())


FIELDS: Final[dict[str, dict[str, Action | None]]] = {
    "Query": {
        "score": Action.READ_SCORES,
        "scores": Action.READ_SCORES,
        "attempts": Action.READ_ATTEMPTS,
        "explain": Action.EXPLAIN,
        "batch": Action.READ_BATCH,
        "batches": Action.READ_BATCH,
        "slices": Action.READ_SLICES,
        "reportRequest": Action.MANAGE_REQUESTS,
        "reportRequests": Action.MANAGE_REQUESTS,
        "node": None,  # its resolver asks: the action depends on the id
        "failedEvents": Action.READ_FAILED,
        "holds": Action.READ_FAILED,
        "erasures": Action.READ_FAILED,
        "manifest": Action.AUDIT,
        "balance": Action.AUDIT,
        "tickets": Action.READ_TICKETS,
        "ticket": Action.READ_TICKETS,
        "ticketDiff": Action.READ_TICKETS,
        "corrections": Action.AUDIT,
        "seals": Action.AUDIT,
        "sealProof": Action.AUDIT,
        "sealConsistency": Action.AUDIT,
    },
    "Mutation": {
        "replayFailedEvents": Action.REPLAY,
        "submitReportRequest": Action.MANAGE_REQUESTS,  # and REQUEST_REPORTS for each batch
        "cancelReportRequest": Action.MANAGE_REQUESTS,
    },
    "ReportRequest": _open(
        "requestId tag dataset config channel requester status progress tries submittedAt completedAt message "
        "downloadUrls"
    ),
    "Batch": {
        "attempts": Action.READ_ATTEMPTS,
        "slices": Action.READ_SLICES,
        **_open("id batchId attemptsCount learnersCount assessmentsCount versionsCount meanScore"),
        **_open("firstReceived lastReceived weeks"),
    },
    "Attempt": {
        "answers": Action.READ_ANSWERS,
        **_open("id userId courseId batchId assessmentId attemptId lastAttemptedOn totalScore totalMaxScore"),
        **_open("grandTotal updatedOn droppedAt originalScore originalMaxScore"),
    },
    "ExplainedScore": _open(
        "userId assessmentId courseId batchId bestScore totalMaxScore lastAttemptedScore bestAttempt lastAttempt story "
        "versions"
    ),
    "ExplainedVersion": _open(
        "attemptId contentHash lastAttemptedOn hasAnswers score maxScore submittedScore submittedMaxScore corrections "
        "receivedAt counts supersededBy rule slice sliceStatus droppedAt scoresKeptAt copies event eventNote"
    ),
    "StoredCopy": {
        "answers": Action.READ_ANSWERS,
        **_open("tier slice receivedAt sound file rowGroup row manifest"),
    },
    "ManifestVoucher": _open("number action at deltaVersion digest previous hash chainProblem fileSha256"),
    "LogEvent": _open("topic partition offset"),
    "Score": {
        **_open("id userId courseId batchId assessmentId bestScore totalMaxScore lastAttemptedScore minScore"),
        **_open("averageScore attemptsCount updatedOn"),
    },
    "Answer": _open("questionId answeredOn score maxScore duration type title description params resvalues"),
    "Slice": _open("id batchId week status hotRows lakeRows archivedAt verifiedAt clearedAt whyOpen note"),
    "FailedEvent": _open("id topic partition offset receivedAt reason message bytes text"),
    "Replay": _open("resolved failed endCursor"),
    "ManifestEntry": _open(
        "sliceId action at deltaVersion rows versions attempts totalScore digest cleared left problem code number "
        "previous hash files"
    ),
    "ManifestFile": _open("name sha256"),
    "Correction": _open(
        "id inForce assessmentId questionId courseId batches attemptedFrom attemptedTo rule correction by reason at "
        "revertedBy revertReason revertedAt"
    ),
    "Seal": _open("line entries at root"),
    "Hold": _open("holdId target of by reason at until"),
    "Erasure": _open("learnerHash by reason at"),
    "SealProof": _open("proof seal slice entry position path"),
    "SealConsistency": _open("proof old new path"),
    "Balance": _open("balanced named hotOnly lakeOnly both dropped missing unnamed failed unreadable"),
    "Ticket": _open("id status created expires report batches rows sha256 bytes lakeFiles hotRows"),
    "TicketFile": _open("name rows bytes sha256"),
    "TicketDiff": _open("added changed gone differences"),
    "TicketDifference": _open(
        "change userId courseId batchId assessmentId attemptId scoreBefore score receivedBefore received "
        "versionsBefore versions"
    ),
    "Week": _open("week attempts versions"),
    "AttemptConnection": _open("edges pageInfo"),
    "AttemptEdge": _open("node cursor"),
    "PageInfo": _open("hasNextPage hasPreviousPage startCursor endCursor"),
}
"""Type -> field -> action. None: a client that may read the object may read this field of it."""

_SHOWN: Final = 200  # characters of a client's text in the log
_audit = logging.getLogger("assess.audit")


def require(caller: Caller | None, action: Action, resource: Resource, where: str) -> None:
    """Raise `Forbidden`, after a line in the audit log, if the policy denies the action. `where`: a path or a field."""
    denial = denial_of(caller, action, resource)
    if denial is not None:
        record(caller, action, resource, denial, where)
        raise _refusal(denial)


def _refusal(denial: Denial) -> AssessError:
    return StoreUnavailable(denial.message) if denial.may_end else Forbidden(denial.message)


def require_report(caller: Caller | None, spec: ReportSpec, where: str) -> None:
    """Raise `Forbidden` if the caller may not get a report of all its batches, or not the names of its learners."""
    denial = denial_of_report(caller, spec.batches, spec.course or "")
    if denial is not None:
        resource = Resource("", ",".join(spec.batches), spec.course or "")
        record(caller, Action.REQUEST_REPORTS, resource, denial, where)
        raise _refusal(denial)
    if spec.names is Naming.LEARNERS:
        require(caller, Action.NAME_LEARNERS, Resource(), where)


def own_requests(caller: Caller | None) -> Resource:
    """The requests that a caller makes: every field and path gives only these, unless the caller may manage all."""
    return Resource(caller.learner if caller else "")


def record(caller: Caller | None, action: Action, resource: Resource, denial: Denial, where: str) -> None:
    """Write the line of a denial into the audit log: learners as hashes, client text escaped and shortened."""
    line = {
        "denied": action,
        "status": denial.status,
        "where": where[:_SHOWN],
        "caller": hash_of(caller.id) if caller else None,
        "learner": hash_of(resource.learner) if resource.learner else None,
        "batch": resource.batch[:_SHOWN],
        "course": resource.course[:_SHOWN],
        "reason": denial.message,
    }
    _audit.warning("%s", json.dumps({name: value for name, value in line.items() if value}))


def hash_of(learner: str) -> str:
    """The first 16 hex digits of the SHA-256 of an id."""
    return hashlib.sha256(learner.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def protect(schema: GraphQLSchema) -> GraphQLSchema:
    """Make every field with an action ask the policy before it is resolved. A `KeyError` names an unlisted field."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not is_introspection_type(type_):
            for name, field in type_.fields.items():
                action = FIELDS[type_.name][name]
                if action is not None:
                    field.resolve = _asking(f"{type_.name}.{name}", action, field)
    return schema


def _asking(where: str, action: Action, field: GraphQLField) -> Any:
    resolve = field.resolve or default_field_resolver
    defaults = {
        argument.out_name or name: argument.default_value
        for name, argument in field.args.items()
        if argument.default_value is not Undefined
    }

    def resolve_if_allowed(source: Any, info: Info, **arguments: Any) -> Any:
        # a client may send null for an argument with a default
        asked = {name: defaults.get(name) if value is None else value for name, value in arguments.items()}
        caller = caller_of(info)
        is_own = action is Action.MANAGE_REQUESTS
        require(caller, action, own_requests(caller) if is_own else _resource(source, asked), where)
        return resolve(source, info, **asked)

    return resolve_if_allowed


def _resource(source: Any, arguments: dict[str, Any]) -> Resource:
    """What a field reads, from the object that it belongs to and from its arguments, as the resolver gets them."""
    if isinstance(source, Attempt):
        return Resource(source.key.user_id, source.key.batch_id, source.key.course_id)
    batch = source.batch_id if isinstance(source, BatchReads) else arguments.get("batch_id")
    return Resource(arguments.get("user_id") or "", batch or "", arguments.get("course_id") or "")
