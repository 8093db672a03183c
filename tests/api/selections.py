"""What a query can ask for below a type of the GraphQL schema."""

from collections.abc import Collection
from typing import Any, Final

from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType

WHOLE: Final = {"FailedEvent", "ManifestEntry", "Balance"}
"""Types whose leaves are asked for together, because reads are slow."""


def named(type_: Any) -> Any:
    """The type inside lists and non-null types."""
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    return type_


def selections(type_: GraphQLObjectType, apart: Collection[tuple[str, str]]) -> list[str]:
    """A selection for each field below a type, one leaf in each, but for the fields (type and name) in `apart`."""
    found = []
    if type_.name in WHOLE:
        inner_fields = {name: named(field.type) for name, field in type_.fields.items()}
        parts = [f"{name} {part}" for name, inner in inner_fields.items() if isinstance(inner, GraphQLObjectType)
                 for part in selections(inner, apart)]  # fmt: skip
        leaves = [name for name, inner in inner_fields.items() if not isinstance(inner, GraphQLObjectType)]
        return [f"{{ {' '.join(leaves)} }}", *(f"{{ {part} }}" for part in parts)]
    for name, field in type_.fields.items():
        inner = named(field.type)
        if not isinstance(inner, GraphQLObjectType):
            found.append(f"{{ {name} }}")
        elif (type_.name, name) not in apart:
            found += [f"{{ {name} {part} }}" for part in selections(inner, apart)]
    return found
