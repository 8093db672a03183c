"""The views of a union as SQL: the rows of hot store and lake, and what is picked of them."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.duckdb.connection import literal, parquet
from assess_core.adapters.duckdb.reports.columns import ATTEMPT
from assess_core.ports.lake import LakeFile

_COLUMNS: Final = ", ".join(name for name in LAKE_SCHEMA.names if name != "question")

# SQL reads `placed`, all copies of a union, each with `tier` ('hot', 'lake', or 'scores' for a kept score, whose
# `question` is null), and these views, which have no answers:
#     versions  one row per distinct version, from the copy with the earliest receipt
#     winners   the newest version of each attempt key, and `versions`, the number of its distinct versions
#
# A copy has a place: the number of its file and its row there. Hot rows have file number -1, so they win every
# tie, and kept scores have the highest numbers.
# Rows are picked by narrow columns. Then DuckDB reads `question`, nearly all of a row, only for the picked places: a
# sort or a window over `question` takes 4 times as long.
VIEWS: Final = {
    "versions": f"""
SELECT {_COLUMNS}, tier, file_index, file_row_number FROM placed
QUALIFY row_number() OVER (PARTITION BY user_id, content_hash ORDER BY updated_on, file_index, file_row_number) = 1
""",
    "winners": f"""
SELECT {ATTEMPT}, file_index, file_row_number, count(DISTINCT content_hash) OVER (PARTITION BY {ATTEMPT}) AS versions,
    year, week, last_attempted_on, has_answers, content_hash, total_score, total_max_score
FROM placed
QUALIFY row_number() OVER (
    PARTITION BY {ATTEMPT}
    ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC, updated_on, file_index, file_row_number
) = 1
""",
}
"""Each view and its query. To create a view takes up to 5 ms."""

_SIDES: Final = {
    "hot_rows": "SELECT * REPLACE (question_of(question) AS question), NULL::BIGINT AS answers, 'hot' AS tier",
    "lake_rows": "SELECT *, NULL::BIGINT AS answers, 'lake' AS tier",
    "kept_rows": "SELECT *, 'scores' AS tier",
}


class Placed(NamedTuple):
    """How `placed` is created: all copies, each with its tier and its place."""

    is_table: bool
    """Whether the rows are copied: to plan a query over files takes longer than to read few rows."""
    sides: Sequence[str]
    """Those of `hot_rows`, `lake_rows` and `kept_rows` that have files. A query plans each one whenever it is read."""

    @property
    def sql(self) -> str:
        """`TABLE placed AS ...` or `VIEW placed AS ...`."""
        rows = " UNION ALL BY NAME ".join(f"{_SIDES[side]} FROM {side}" for side in self.sides or ("lake_rows",))
        return f"{'TABLE' if self.is_table else 'VIEW'} placed AS {rows}"


def views_of(sql: str) -> list[str]:
    """The names of the views that a statement reads.

    A statement names a view after FROM or JOIN. If it named one elsewhere, DuckDB would not know the view, and say so.
    """
    return [name for name in VIEWS if re.search(rf"\b(FROM|JOIN)\s+{name}\b", sql, re.IGNORECASE)]


def hot_rows(spilled: Path | None) -> str:
    """The SQL of the hot copies, each with its place; `question` is JSON text."""
    if spilled is None:
        return f"SELECT * REPLACE (NULL::VARCHAR AS question) FROM {parquet([], place=True)}"
    path = literal(str(spilled))
    return f"SELECT {_COLUMNS}, question, -1::BIGINT AS file_index, file_row_number FROM read_parquet({path})"


def lake_rows(files: Sequence[LakeFile], batches: Collection[str] | None) -> str:
    """The lake's copies with their places; `question` is nested."""
    return f"SELECT * FROM {parquet(files, place=True)}{_of(batches)}"


def kept_rows(files: Sequence[LakeFile], batches: Collection[str] | None, first: int) -> str:
    """The kept scores with their places; `first` is the number of the first file."""
    rows = f"SELECT * FROM {parquet(files, place=True, kept=True)}{_of(batches)}"
    return f"SELECT * REPLACE (file_index + {first} AS file_index) FROM ({rows})"


def _of(batches: Collection[str] | None) -> str:
    if batches is None:
        return ""
    return f" WHERE batch_id IN ({', '.join(map(literal, batches))})" if batches else " WHERE false"
