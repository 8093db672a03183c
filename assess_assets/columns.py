"""Column schemas for the UI, from the declarations of the tables or from the written file."""

from collections.abc import Iterable
from typing import Final

import dagster as dg

from assess_core.wiring import attempt_columns, weekly_columns

SCHEMA: Final = "dagster/column_schema"

_DESCRIPTIONS: Final = {
    "year": "ISO year of updated_on",
    "week": "ISO week of updated_on",
    "content_id": "the assessment",
    "last_attempted_on": "when the attempt was submitted (assessmentTs); 1970-01-01 means no clock",
    "content_hash": "16 bytes of SHA-256 over the stored content; identifies the version",
    "updated_on": "when the event was received",
    "question": "the answers",
}


def schema_of(columns: Iterable[tuple[str, str]]) -> dg.TableSchema:
    """The schema of a table, from pairs of name and type."""
    return dg.TableSchema([dg.TableColumn(name, type_, description=_DESCRIPTIONS.get(name)) for name, type_ in columns])


def schema_of_text(names: Iterable[str]) -> dg.TableSchema:
    """The schema of a CSV file, from its header."""
    return dg.TableSchema([dg.TableColumn(name, "string") for name in names])


ATTEMPTS: Final = {SCHEMA: schema_of(attempt_columns())}
WEEKLY: Final = {SCHEMA: schema_of(weekly_columns())}
