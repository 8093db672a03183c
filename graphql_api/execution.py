"""A GraphQL query as text -> an answer: parsed and checked once per text, bounded in size, depth and reads."""

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
    SelectionSetNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from assess_core.errors import AssessError
from assess_core.usecases.queries import Queries
from graphql_api.reading import Reads
from graphql_api.schema import schema

MOST_TOKENS: Final = 1000  # the longest query that GraphiQL makes has some 300
MOST_LENGTH: Final = 20_000
MOST_DEPTH: Final = 10  # the deepest field of the schema is at 6
# parse and validate take 3 of the 3.5 ms of a query
_CACHED: Final = 128

_log = logging.getLogger(__name__)


class Executed(NamedTuple):
    """What HTTP says."""

    status: int
    body: dict[str, Any]


class Checked(NamedTuple):
    """A query that may be executed, or why not."""

    document: DocumentNode | None
    errors: list[dict[str, Any]]


def execute(queries: Queries, text: str, variables: dict[str, Any] | None, operation: str | None) -> Executed:
    """Answer a query. Never raises: what goes wrong is among `errors`, each with a code and no stack trace."""
    checked = check(text)
    if checked.document is None:
        return Executed(400, {"errors": checked.errors})
    if get_operation_ast(checked.document, operation) is None:
        message = f"the query has no operation named {operation!r}" if operation else "name one of the operations"
        return Executed(400, {"errors": [_error(message, "BAD_REQUEST")]})
    result = execute_sync(
        schema, checked.document, context_value=Reads(queries), variable_values=variables, operation_name=operation
    )
    if not result.errors:
        return Executed(200, {"data": result.data})
    body: dict[str, Any] = {"errors": [_shown(error) for error in result.errors]}
    if result.data is None and all(error.path is None for error in result.errors):
        return Executed(400, body)  # variables that do not fit: nothing was executed
    return Executed(200, body | {"data": result.data})


@lru_cache(maxsize=_CACHED)
def check(text: str) -> Checked:
    """Parse and validate a query, once for each text."""
    try:
        document = parse(text, max_lexical_tokens=MOST_TOKENS, max_source_length=MOST_LENGTH)
    except GraphQLError as error:
        return Checked(None, [_shown(error, "GRAPHQL_PARSE_FAILED")])
    errors = validate(schema, document, max_errors=10)
    if errors:
        return Checked(None, [_shown(error, "GRAPHQL_VALIDATION_FAILED") for error in errors])
    if _depth(document) > MOST_DEPTH:
        return Checked(None, [_error(f"the query is nested deeper than {MOST_DEPTH} fields", "TOO_DEEP")])
    return Checked(document, [])


def _depth(document: DocumentNode) -> int:
    """How deep fields are nested; each fragment is looked at once (spread twice it would double at every level).

    For a valid document: its fragments are known, and none contains itself. Introspection has a limit of its own.
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
        extensions = {"code": _code(cause), "retryable": cause.retryable}
    elif cause is not None and not isinstance(cause, GraphQLError):
        _log.error("a field could not be resolved", exc_info=cause)
        shown["message"], extensions["code"] = "an internal error; the log of the server has it", "INTERNAL"
    if error.locations:
        shown["locations"] = [location.formatted for location in error.locations]
    if error.path:
        shown["path"] = error.path
    return shown | {"extensions": extensions}


def _error(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


def _code(error: AssessError) -> str:
    """`UnknownBatch` -> `UNKNOWN_BATCH`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).upper()
