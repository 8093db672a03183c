"""Who may do what: a pure function of caller, action and resource, from one table of rights.

Every shell that serves people asks `denial_of`. A caller with several roles has the rights of all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, StrEnum
from functools import cache
from typing import Final, NamedTuple


class Role(StrEnum):
    """The roles of a token. A token without any of them is a learner's."""

    LEARNER = "learner"
    MENTOR = "mentor"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Action(StrEnum):
    """What a caller wants to do."""

    PROBE = "probe"
    """Ask whether the process lives and can answer."""
    DOWNLOAD = "download"
    """Read a file by a signed link. The signature is the permission."""
    DESCRIBE = "describe"
    """Read the schema, use GraphiQL, send a query. Nothing of this shows data of learners."""
    SIGN_IN = "sign_in"
    """See the form with which a browser sends its token to the console. It shows no data."""
    READ_SCORES = "read_scores"
    """Read the scores of a learner, without attempts."""
    READ_ATTEMPTS = "read_attempts"
    """Read when a learner tried, and the score of each try."""
    READ_ANSWERS = "read_answers"
    READ_BATCH = "read_batch"
    """Read the numbers of a batch, without learners."""
    READ_SLICES = "read_slices"
    """Read slices, their status and their row counts."""
    EXPLAIN = "explain"
    """Read which versions, files and hashes are behind a score, without answers."""
    MONITOR = "monitor"
    """Read the metrics of the installation. They name no learner and no batch."""
    WRITE_ATTEMPTS = "write_attempts"
    MANAGE_REQUESTS = "manage_requests"
    """Submit, list, read and cancel requests for reports. The resource is the learner in whose name they are."""
    REQUEST_REPORTS = "request_reports"
    """Get a report of a batch by a request."""
    NAME_LEARNERS = "name_learners"
    """Request reports with the names and organisations of learners."""

    AUDIT = "audit"
    """Read the manifest of a slice, and the balance of a batch. Neither shows data of learners."""
    READ_TICKETS = "read_tickets"
    """Read tickets of reports, and how their attempts changed since."""
    READ_FAILED = "read_failed"
    """Read failed events, which contain answers of learners."""
    REPLAY = "replay"
    """Fold failed events again."""


class Granted(NamedTuple):
    """What a mentor may read."""

    batches: frozenset[str] = frozenset()
    courses: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """The number of grants."""
        return len(self.batches) + len(self.courses)


NOTHING: Final = Granted()


def granted_by(rows: Iterable[Sequence[object]]) -> Granted:
    """The grants of rows of (kind, id) in a database. Rows of other kinds and empty ids grant nothing."""
    pairs = {(row[0], row[1]) for row in rows}
    of_kind = (
        frozenset(id_ for kind, id_ in pairs if kind == wanted and isinstance(id_, str) and id_)
        for wanted in ("batch", "course")
    )
    return Granted(*of_kind)


class Caller(NamedTuple):
    """The owner of a verified token."""

    id: str
    roles: frozenset[Role]
    batches: frozenset[str] = frozenset()
    """The batches that a mentor may read."""
    courses: frozenset[str] = frozenset()
    """The courses that a mentor may read."""
    channel: str = ""
    """The channel that the token names; only requests for reports need it."""
    without_grants: str = ""
    """Why more grants of the caller could not be read, for the caller. Empty if nothing is missing."""
    requested_for: str = ""
    """The managed learner for whom the caller acts; empty if the caller acts for itself."""

    @property
    def learner(self) -> str:
        """The learner whose rows are the caller's own."""
        return self.requested_for or self.id


LOCAL: Final = Caller("", frozenset({Role.OPERATOR}))
"""The caller of an API without keys, which only this machine can reach."""


class Resource(NamedTuple):
    """What an action concerns. An empty learner means all learners; the same for batch and course."""

    learner: str = ""
    batch: str = ""
    course: str = ""


class Denial(NamedTuple):
    """A refusal with its reason."""

    message: str
    needs_token: bool = False
    """Whether the caller is unknown: HTTP answers 401."""
    may_end: bool = False
    """Whether the same request may be allowed later, because grants could not be read: HTTP answers 503."""

    @property
    def status(self) -> int:
        """The status of the answer."""
        return 401 if self.needs_token else 503 if self.may_end else 403


class Scope(Enum):
    """The resources to which a right extends."""

    OWN = "own rows"
    GRANTED = "granted batches and courses"
    ALL = "everything"


_OWN: Final = frozenset({Scope.OWN})
_GRANTED: Final = frozenset({Scope.GRANTED})
_ALL: Final = frozenset({Scope.ALL})
_OF_LEARNERS: Final = {Role.LEARNER: _OWN, Role.MENTOR: _OWN | _GRANTED, Role.OPERATOR: _ALL}
_OF_BATCHES: Final = {Role.MENTOR: _GRANTED, Role.OPERATOR: _ALL, Role.AUDITOR: _ALL}

RIGHTS: Final[Mapping[Action, Mapping[Role, frozenset[Scope]]]] = {
    Action.DESCRIBE: dict.fromkeys(Role, _ALL),
    Action.READ_SCORES: _OF_LEARNERS,
    Action.READ_ATTEMPTS: _OF_LEARNERS,
    Action.READ_ANSWERS: _OF_LEARNERS,
    Action.READ_BATCH: _OF_BATCHES,
    Action.READ_SLICES: _OF_BATCHES,
    Action.EXPLAIN: {Role.OPERATOR: _ALL, Role.AUDITOR: _ALL},
    Action.MONITOR: {Role.OPERATOR: _ALL},
    Action.MANAGE_REQUESTS: {Role.MENTOR: _OWN, Role.OPERATOR: _ALL},
    Action.REQUEST_REPORTS: {Role.MENTOR: _GRANTED, Role.OPERATOR: _ALL},
    Action.AUDIT: {Role.OPERATOR: _ALL, Role.AUDITOR: _ALL},
    Action.READ_TICKETS: {Role.OPERATOR: _ALL},
    Action.READ_FAILED: {Role.OPERATOR: _ALL},
    Action.REPLAY: {Role.OPERATOR: _ALL},
    Action.NAME_LEARNERS: {Role.OPERATOR: _ALL},
    Action.WRITE_ATTEMPTS: {Role.LEARNER: _OWN, Role.MENTOR: _OWN, Role.OPERATOR: _ALL},
}
"""The rights of each role. An action or a role that is missing here is denied."""

NEEDS_NO_TOKEN: Final = frozenset({Action.PROBE, Action.DOWNLOAD, Action.SIGN_IN})
"""What a client without a token may do."""
_SHOWN: Final = 60  # characters of an id in a message
_NO_TOKEN: Final = Denial("send a valid token in the header Authorization: Bearer TOKEN", needs_token=True)


def denial_of(caller: Caller | None, action: Action, resource: Resource) -> Denial | None:
    """None if the caller may do this; otherwise why not. None as the caller is a client without a token."""
    if action in NEEDS_NO_TOKEN:
        return None
    if caller is None:
        return _NO_TOKEN
    scopes = _scopes_of(caller.roles, action)
    if any(_is_within(scope, caller, resource) for scope in scopes):
        return None
    if Scope.GRANTED in scopes and caller.without_grants and (resource.batch or resource.course):
        return Denial(caller.without_grants, may_end=True)
    return Denial(_reason(action, scopes))


@cache  # few roles and actions, and every request asks
def _scopes_of(roles: frozenset[Role], action: Action) -> frozenset[Scope]:
    rights = RIGHTS.get(action, {})
    return frozenset[Scope]().union(*(rights.get(role, ()) for role in roles))


def denial_of_report(caller: Caller | None, batches: Iterable[str], course: str = "") -> Denial | None:
    """None if the caller may get a report of all these batches, or of the rows of one course in them."""
    denied = {batch: denial_of(caller, Action.REQUEST_REPORTS, Resource("", batch, course)) for batch in batches}
    first = next(((batch, denial) for batch, denial in denied.items() if denial is not None), None)
    if first is None or first[1].may_end or caller is None or Role.MENTOR not in caller.roles:
        return first[1] if first else None
    batch = repr(first[0] if len(first[0]) <= _SHOWN else f"{first[0][:_SHOWN]}…")
    more = sum(denial is not None for denial in denied.values()) - 1
    others = f" and {more:,} more" if more else ""
    return Denial(
        f"this token does not grant the report of batch {batch}{others}; leave out the batches that it does not grant, "
        "or ask for a token that grants them"
    )


def may_ever(caller: Caller, action: Action) -> bool:
    """Whether there can be a resource with which the caller may do this."""
    rights = RIGHTS.get(action, {})
    return any(rights.get(role) for role in caller.roles)


def _is_within(scope: Scope, caller: Caller, resource: Resource) -> bool:
    if scope is Scope.ALL:
        return True
    if scope is Scope.OWN:
        return bool(resource.learner) and resource.learner == caller.learner
    return _is_one(resource.batch, caller.batches) or _is_one(resource.course, caller.courses)


def _is_one(id_: str, granted: frozenset[str]) -> bool:
    """An empty id selects everything, so it is never granted."""
    return bool(id_) and id_ in granted


def _reason(action: Action, scopes: frozenset[Scope]) -> str:
    if not scopes:
        return f"the roles of this token do not allow {action}; ask for a token with another role"
    if Scope.GRANTED in scopes:
        return "this token does not grant that; name a batch or a course that it grants"
    return "this token is for another learner; name the token's learner, or use that learner's token"
