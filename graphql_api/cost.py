"""The cost of a GraphQL query, counted before anything is read. Aliases can repeat a field any number of times."""

from enum import IntEnum
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    VariableNode,
)

from assess_core.usecases.paging import FIRST, MOST
from graphql_api.node_ids import ATTEMPT, SCORE

MOST_UNITS: Final = 100
"""The most units of a query. A unit takes a core about 1 ms if the query reads a learner, and 10 ms for a batch."""
MOST_UNITS_AT_ONCE: Final = 20
"""The most units of a query that the thread of the event loop executes: four scores."""
MOST_VALUES_AT_ONCE: Final = 40
"""The most fields of such a query. With a hundred scores in a list, that takes 20 ms, and such learners are rare."""
MOST_VALUES: Final = 10_000
"""The most fields of an answer; the fields of every attempt count. Aliases at every level multiply them."""

FIRST_BATCHES: Final = 8
"""The default number of batches on a page: their numbers together cost less than `MOST_UNITS`."""

_UNITS: Final = {
    "score": 5,
    "scores": 5,
    "explain": 20,
    "batch": 10,
    "batches": 5,
    "slices": 10,
    "reportRequest": 5,
    "reportRequests": 20,
    "submitReportRequest": 20,
    "cancelReportRequest": 10,
    "node": 10,
    "failedEvents": 20,
    "holds": 10,
    "erasures": 10,
    "manifest": 10,
    "balance": 50,
    "tickets": 20,
    "ticket": 10,
    "ticketDiff": 50,
    "corrections": 10,
    "seals": 10,
    "sealProof": 50,
    "sealConsistency": 50,
    "replayFailedEvents": 50,
}
_READ_MANY_ROWS: Final = frozenset(
    (
        "batch",
        "batches",
        "slices",
        "explain",
        "failedEvents",
        "holds",
        "erasures",
        "manifest",
        "balance",
        "tickets",
        "ticket",
        "ticketDiff",
        "replayFailedEvents",
        "corrections",
        "seals",
        "sealProof",
        "sealConsistency",
    )
)
_READ_ROWS: Final = frozenset(_UNITS) - _READ_MANY_ROWS - {"score", "scores"}
_ATTEMPTS: Final = 5
_PER_ATTEMPT: Final = 4
"""The number of attempts of a page that cost one unit."""


_PAGES: Final = frozenset(("attempts", "batches"))
_FREE: Final = frozenset(("id", "batchId", "__typename"))
"""The fields of a batch that read nothing."""
_WITH_QUESTIONS: Final = frozenset(("batch", "batches", "node"))
"""The fields whose own fields may ask the stores."""


class TooManyValues(Exception):
    """An answer would have more than `MOST_VALUES` fields."""


class Reads(IntEnum):
    """What an operation reads, the largest of its fields."""

    SCORES = 0
    """Scores of learners: their maps in the hot store."""
    ROWS = 1
    """Attempts of a learner, which can be in the lake, or requests for reports."""
    MANY_ROWS = 2
    """A batch, slices, failed events, or the log."""


class Cost(NamedTuple):
    """The cost of an operation."""

    units: int
    reads: Reads
    values: int = 0
    """The fields of the answer; those of a list of scores count once."""

    @property
    def is_small(self) -> bool:
        """Whether the thread of the event loop may compute the answer, from at most `MOST_AT_ONCE` entries."""
        return self.units <= MOST_UNITS_AT_ONCE and self.values <= MOST_VALUES_AT_ONCE


def cost_of(document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any]) -> Cost:
    """The cost of an operation of a valid document. Fields with one response key are executed once, and cost once.

    Raises `TooManyValues`, after at most `MOST_VALUES` steps: it runs on the thread of the event loop.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    left = MOST_VALUES

    def of(sets: list[SelectionSetNode], times: int, asks: bool) -> Cost:
        """`asks`: the fields of these sets may ask the stores; the fields of an answer do not."""
        nonlocal left
        units, reads = 0, Reads.SCORES
        for fields in fields_by_key(sets, fragments).values():
            left -= times
            if left < 0:
                raise TooManyValues
            node, page = fields[0], times
            own = _of_field(node, variables) if asks else Cost(0, Reads.SCORES)
            if asks and node.name.value in _PAGES:
                page *= _first(node, variables)
            inside = [field.selection_set for field in fields if field.selection_set]
            inner = of(inside, page, asks and node.name.value in _WITH_QUESTIONS)
            units += own.units + inner.units
            if asks and node.name.value == "batches":  # the numbers of each batch are read on their own
                names = {found[0].name.value for found in fields_by_key(inside, fragments).values()}
                each = inner.units + (_UNITS["batch"] if names - _FREE else 0)
                units += each * _first(node, variables) - inner.units
            reads = max(reads, own.reads, inner.reads)
        return Cost(units, reads)

    return of([operation.selection_set], 1, asks=True)._replace(values=MOST_VALUES - left)


def fields_by_key(
    sets: list[SelectionSetNode], fragments: dict[str, FragmentDefinitionNode]
) -> dict[str, list[FieldNode]]:
    """The fields of selection sets by response key; each fragment is visited once, as in the GraphQL specification."""
    fields: dict[str, list[FieldNode]] = {}
    visited: set[str] = set()
    waiting = list(sets)
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                fields.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, FragmentSpreadNode):
                if node.name.value not in visited:
                    visited.add(node.name.value)
                    waiting.append(fragments[node.name.value].selection_set)
            elif isinstance(node, InlineFragmentNode):
                waiting.append(node.selection_set)
    return fields


def _of_field(node: FieldNode, variables: dict[str, Any]) -> Cost:
    name = node.name.value
    if name == "attempts":
        reads = Reads.ROWS if _names_a_learner(node, variables) else Reads.MANY_ROWS
        return Cost(_ATTEMPTS + _first(node, variables) // _PER_ATTEMPT, reads)
    if name == "node":
        of_learner = _text(node, "id", variables).startswith((ATTEMPT, SCORE))
        return Cost(_UNITS[name], Reads.ROWS if of_learner else Reads.MANY_ROWS)
    if name in _READ_MANY_ROWS:
        return Cost(_UNITS[name], Reads.MANY_ROWS)
    return Cost(_UNITS.get(name, 0), Reads.ROWS if name in _READ_ROWS else Reads.SCORES)


def _names_a_learner(node: FieldNode, variables: dict[str, Any]) -> bool:
    """Whether `userId` has a value. Null or an unset variable selects all learners of a batch."""
    return bool(_text(node, "userId", variables))


def _text(node: FieldNode, name: str, variables: dict[str, Any]) -> str:
    """The text of an argument; empty if it has none."""
    for argument in node.arguments:
        if argument.name.value == name:
            value = argument.value
            if isinstance(value, VariableNode):
                return str(variables.get(value.name.value) or "")
            return value.value if isinstance(value, StringValueNode | IntValueNode) else ""
    return ""


def _first(node: FieldNode, variables: dict[str, Any]) -> int:
    """The requested page length, forced into the limits; the longest page if it is not a number."""
    for argument in node.arguments:
        if argument.name.value == "first":
            value = argument.value
            if isinstance(value, VariableNode):
                given = variables.get(value.name.value, MOST)
                return min(max(given, 1), MOST) if isinstance(given, int) else MOST
            if isinstance(value, IntValueNode):
                return min(max(int(value.value[:9]), 1), MOST)
    return FIRST_BATCHES if node.name.value == "batches" else FIRST
