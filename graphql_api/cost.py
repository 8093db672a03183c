"""What a GraphQL query costs, counted before anything is read: aliases repeat a field as often as a query likes."""

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
    VariableNode,
)

from assess_core.usecases.paging import FIRST, MOST

MOST_UNITS: Final = 100
"""Units of a query. A unit is about a millisecond of a core for a learner, and ten for a batch."""

_UNITS: Final = {"score": 5, "scores": 5, "batch": 10, "slices": 10}
_ATTEMPTS: Final = 5
_PER_ATTEMPT: Final = 4
"""Attempts of a page that cost a unit."""


class Cost(NamedTuple):
    """The cost of an operation."""

    units: int
    reads_many_rows: bool
    """Whether it asks for a batch or for slices, and not for a learner alone."""


def cost_of(document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any]) -> Cost:
    """The cost of an operation of a valid document. Fields with one response key are executed once, and cost once."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}

    def of(sets: list[SelectionSetNode]) -> Cost:
        found = [of_fields(fields) for fields in _by_response_key(sets, fragments).values()]
        return Cost(sum(cost.units for cost in found), any(cost.reads_many_rows for cost in found))

    def of_fields(fields: list[FieldNode]) -> Cost:
        own = _of_field(fields[0], variables)
        inner = of([field.selection_set for field in fields if field.selection_set])
        return Cost(own.units + inner.units, own.reads_many_rows or inner.reads_many_rows)

    return of([operation.selection_set])


def _by_response_key(
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
        learner_alone = any(argument.name.value == "userId" for argument in node.arguments)
        return Cost(_ATTEMPTS + _first(node, variables) // _PER_ATTEMPT, not learner_alone)
    return Cost(_UNITS.get(name, 0), name in ("batch", "slices"))


def _first(node: FieldNode, variables: dict[str, Any]) -> int:
    """The length of the page that is asked for, as far as it is a number within the limits."""
    for argument in node.arguments:
        if argument.name.value == "first":
            value = argument.value
            if isinstance(value, VariableNode):
                given = variables.get(value.name.value, MOST)
                return min(max(given, 1), MOST) if isinstance(given, int) else MOST
            if isinstance(value, IntValueNode):
                return min(max(int(value.value[:9]), 1), MOST)
    return FIRST
