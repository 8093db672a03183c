"""Column schemas as the UI shows them, made from where the columns are declared or from the file that was written."""

from collections.abc import Iterable
from typing import Final

import dagster as dg
import pyarrow as pa

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.lake.weekly import WEEKLY_SCHEMA

SCHEMA: Final = "dagster/column_schema"

_SAYS: Final = {
    "year": "ISO year of updated_on",
    "week": "ISO week of updated_on",
    "content_id": "the assessment",
    "last_attempted_on": "when the attempt was submitted (assessmentTs); 1970-01-01 stands for no clock",
    "content_hash": "16 bytes of SHA-256 over what is stored: which version it is",
    "updated_on": "when the event was received",
    "question": "the answers",
}


def schema_of(schema: pa.Schema) -> dg.TableSchema:
    """Columns of a table, with their Arrow types."""
    return dg.TableSchema(
        [dg.TableColumn(field.name, str(field.type), description=_SAYS.get(field.name)) for field in schema]
    )


def schema_of_text(names: Iterable[str]) -> dg.TableSchema:
    """Columns of a CSV file, by its header."""
    return dg.TableSchema([dg.TableColumn(name, "string") for name in names])


ATTEMPTS: Final = {SCHEMA: schema_of(LAKE_SCHEMA)}
WEEKLY: Final = {SCHEMA: schema_of(WEEKLY_SCHEMA)}
