"""All uses of undocumented names of cassandra-driver.

`tests/adapters/test_cassandra_driver.py` fails if the installed driver is not the version that was tested.
"""

from typing import Any, Final

from cassandra.connection import ConnectionShutdown
from cassandra.cqltypes import BytesType, MapType
from cassandra.pool import Host
from cassandra.protocol import ProtocolHandler, ResultMessage
from cassandra.query import BoundStatement, PreparedStatement

__all__ = ["BytesType", "ConnectionShutdown", "Host", "MapType", "ProtocolHandler", "ResultMessage"]

TRIED_WITH: Final = "3.30.1"


def bind_encoded(statement: PreparedStatement, values: list[Any]) -> BoundStatement:
    """Bind values that are already encoded."""
    bound = BoundStatement(statement)
    bound.values = values
    return bound


def set_routing_columns(statement: PreparedStatement, count: int) -> None:
    """Route by the first values. The server names the last one of `IN (?, ?)`, but all have the same replica."""
    statement.routing_key_indexes = list(range(count))


def parameter_types(statement: PreparedStatement) -> list[Any]:
    """The types of the statement's parameters."""
    return [column.type for column in statement.column_metadata or ()]


def column_types(statement: PreparedStatement) -> dict[str, str]:
    """The CQL types of a statement's parameters and columns, by name."""
    columns = [*statement.column_metadata, *statement.result_metadata]
    return {name: type_.cql_parameterized_type().replace("varchar", "text") for *_, name, type_ in columns}
