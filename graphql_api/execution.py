"""Executes GraphQL queries: each text is parsed and checked once; size, depth and reads have limits."""

import logging
import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from assess_core.domain.access import Caller
from assess_core.errors import AssessError, Forbidden
from assess_core.ports.facts import Facts
from assess_core.usecases.learner_scores import WouldWait
from assess_core.usecases.operating import Operating
from assess_core.usecases.queries import Queries
from graphql_api.cost import MOST_UNITS, MOST_VALUES, Reads, TooManyValues, cost_of
from graphql_api.learners import learners_of
from graphql_api.reading import Context, RequestReads
from graphql_api.schema import schema

MOST_TOKENS: Final = 1000  # GraphiQL's longest query has about 300
MOST_LENGTH: Final = 20_000
MOST_DEPTH: Final = 10  # the schema's deepest field has depth 6
# queries; parsing and validating take 3 of a query's 3.5 ms
_CACHED: Final = 128

_log = logging.getLogger(__name__)


class Executed(NamedTuple):
    """The status and the body of a response."""

    status: int
    body: dict[str, Any]


class Planned(NamedTuple):
    """A query that may be executed."""

    document: DocumentNode
    operation: str | None
    variables: dict[str, Any] | None
    reads: Reads
    writes: bool
    """Whether it is a mutation."""
    learners: frozenset[str]
    """The learners that its fields name."""
    is_small: bool
    """See `Cost`."""


class _Refused(Exception):
    """A query text that is refused; `errors` as the client sees them. The cache stores no exceptions."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__()
        self.errors = errors


def plan(text: str, variables: dict[str, Any] | None, operation: str | None) -> Planned | Executed:
    """Check a query and count its cost before anything is read; returns the answer if it may not be executed."""
    if len(text) > MOST_LENGTH:
        return _refusal(f"the query is longer than {MOST_LENGTH:,} characters", "GRAPHQL_PARSE_FAILED")
    try:
        document = check(text)
    except _Refused as error:
        return Executed(400, {"errors": error.errors})
    chosen = get_operation_ast(document, operation)
    if chosen is None:
        message = f"the query has no operation named {operation!r}" if operation else "name one of the operations"
        return _refusal(message, "BAD_REQUEST")
    try:
        cost = cost_of(document, chosen, variables or {})
    except TooManyValues:
        return _refusal(
            f"the answer has more than {MOST_VALUES:,} fields, counting each attempt; ask for fewer fields or attempts",
            "TOO_EXPENSIVE",
        )
    if cost.units > MOST_UNITS:
        return _refusal(
            f"the query costs {cost.units} units, more than {MOST_UNITS} (docs/api.md); split it into several queries",
            "TOO_EXPENSIVE",
        )
    writes = chosen.operation is OperationType.MUTATION
    learners = learners_of(document, chosen, variables or {})
    return Planned(document, operation, variables, cost.reads, writes, learners, cost.is_small)


def execute(
    queries: Queries,
    planned: Planned,
    caller: Caller | None,
    requests: RequestReads | None = None,
    operating: Operating | None = None,
    facts: Facts | None = None,
) -> Executed:
    """Execute a query. Each failure is in `errors`, with a code and without a stack trace.

    Raises only `WouldWait`, if `queries` answer at once. If the caller may not read one of the fields, the answer is
    403 and has no data.
    """
    shared = queries.sharing(planned.learners) if planned.learners else queries
    result = execute_sync(
        schema,
        planned.document,
        context_value=Context(shared, caller, requests, operating, facts),
        variable_values=planned.variables,
        operation_name=planned.operation,
    )
    if not result.errors:
        return Executed(200, {"data": result.data})
    if any(isinstance(error.original_error, WouldWait) for error in result.errors):
        raise WouldWait
    denied = [_shown(error) for error in result.errors if isinstance(error.original_error, Forbidden)]
    if denied:
        return Executed(Forbidden.status, {"errors": denied})
    body: dict[str, Any] = {"errors": [_shown(error) for error in result.errors]}
    if result.data is None and all(error.path is None for error in result.errors):
        return Executed(400, body)  # the variables have wrong types: nothing was executed
    return Executed(200, body | {"data": result.data})


def failure(error: AssessError) -> dict[str, Any]:
    """The status and body if the whole query failed."""
    return {
        "errors": [
            {"message": str(error), "extensions": {"code": error_code(type(error)), "retryable": error.retryable}}
        ]
    }


@lru_cache(maxsize=_CACHED)
def check(text: str) -> DocumentNode:
    """Parse and validate a query, once for each valid text of at most `MOST_LENGTH` characters. Raises `_Refused`."""
    try:
        document = parse(text, max_lexical_tokens=MOST_TOKENS, max_source_length=MOST_LENGTH)
    except GraphQLError as error:
        raise _Refused([_shown(error, "GRAPHQL_PARSE_FAILED")]) from None
    errors = validate(schema, document, max_errors=10)
    if errors:
        raise _Refused([_shown(error, "GRAPHQL_VALIDATION_FAILED") for error in errors])
    if _depth(document) > MOST_DEPTH:
        raise _Refused([_error(f"the query is nested deeper than {MOST_DEPTH} fields", "TOO_DEEP")])
    return document


def _refusal(message: str, code: str) -> Executed:
    return Executed(400, {"errors": [_error(message, code)]})


def _depth(document: DocumentNode) -> int:
    """The depth of the nested fields of a valid document. Visits each fragment once.

    Graphene's validator visits a fragment once per spread. If each fragment of a chain spreads the next one twice, that
    takes exponential time. In a valid document no fragment contains itself. Introspection has its own limit.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    depths: dict[str, int] = {}

    def of(selection_set: SelectionSetNode | None) -> int:
        return max((of_selection(node) for node in selection_set.selections), default=0) if selection_set else 0

    def of_selection(node: Any) -> int:
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in depths:
                depths[name] = of(fragments[name].selection_set)
            return depths[name]
        if isinstance(node, FieldNode):
            return 0 if node.name.value.startswith("__") else 1 + of(node.selection_set)
        return of(node.selection_set)

    operations = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return max((of(operation.selection_set) for operation in operations), default=0)


def _shown(error: GraphQLError, code: str = "BAD_REQUEST") -> dict[str, Any]:
    """An error as the client sees it."""
    cause = error.original_error
    shown: dict[str, Any] = {"message": error.message}
    extensions: dict[str, Any] = {"code": code}
    if isinstance(cause, AssessError):
        extensions = {"code": error_code(type(cause)), "retryable": cause.retryable}
    elif cause is not None and not isinstance(cause, GraphQLError):
        _log.error("a field could not be resolved", exc_info=cause)
        shown["message"], extensions["code"] = "internal error; the server's log has the details", "INTERNAL"
    if error.locations:
        shown["locations"] = [location.formatted for location in error.locations]
    if error.path:
        shown["path"] = error.path
    return shown | {"extensions": extensions}


def _error(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


def error_code(error: type[AssessError]) -> str:
    """`UnknownBatch` -> `UNKNOWN_BATCH`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.__name__).upper()
