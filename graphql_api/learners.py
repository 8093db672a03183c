"""The learners that a query names, so that one read of the store serves all its fields."""

from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    IntValueNode,
    OperationDefinitionNode,
    StringValueNode,
    VariableNode,
)

from graphql_api.cost import fields_by_key


def learners_of(
    document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any]
) -> frozenset[str]:
    """The ids in the argument `userId` of the fields of an operation, a valid one. Cost limits bound their number."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    found: set[str] = set()
    for fields in fields_by_key([operation.selection_set], fragments).values():
        for argument in fields[0].arguments:
            value = argument.value
            if argument.name.value == "userId":
                if isinstance(value, VariableNode):
                    found.add(str(variables.get(value.name.value) or ""))
                elif isinstance(value, StringValueNode | IntValueNode):
                    found.add(value.value)
    return frozenset(found)
