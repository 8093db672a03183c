"""Column schemas as the UI shows them, made from where the columns are declared or from the file that was written."""

from collections.abc import Iterable
from typing import Final

import dagster as dg

from assess_core.wiring import attempt_columns, weekly_columns

SCHEMA: Final = "dagster/column_schema"

_DESCRIPTIONS: Final = {
    "year": "ISO year of updated_on",
    "week": "ISO week of updated_on",
    "content_id": "the assessment",
    "last_attempted_on": "when the attempt was submitted (assessmentTs); 1970-01-01 stands for no clock",
    "content_hash": "16 bytes of SHA-256 over what is stored: which version it is",
    "updated_on": "when the event was received",
    "question": "the answers",
}


def schema_of(columns: Iterable[tuple[str, str]]) -> dg.TableSchema:
    """Columns of a table, given by name and type."""
    return dg.TableSchema([dg.TableColumn(name, type_, description=_DESCRIPTIONS.get(name)) for name, type_ in columns])


def schema_of_text(names: Iterable[str]) -> dg.TableSchema:
    """Columns of a CSV file, by its header."""
    return dg.TableSchema([dg.TableColumn(name, "string") for name in names])


ATTEMPTS: Final = {SCHEMA: schema_of(attempt_columns())}
WEEKLY: Final = {SCHEMA: schema_of(weekly_columns())}
