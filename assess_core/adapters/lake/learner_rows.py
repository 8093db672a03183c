"""A learner's rows in the table `attempts`, read by deltalake's own engine (DataFusion).

DuckDB and pyarrow decode all answers of a row group, up to 8,192 attempts, to return one of them. This engine looks at
the narrow columns first, and then decodes the answers of the rows that it needs.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, Version, question_text
from assess_core.domain.moments import millis
from assess_core.domain.slices import IsoWeek

_ONE_THREAD: Final = {"datafusion.execution.target_partitions": "1"}
_ROWS: Final = """
SELECT user_id, course_id, batch_id, content_id, attempt_id, last_attempted_on, has_answers, content_hash, total_score,
    total_max_score, grand_total, question, updated_on
FROM attempts WHERE ({weeks}) AND batch_id IN ({batches}) AND user_id = {user} AND content_hash IN ({hashes})
"""


class LearnerRows:
    """Reads one version of the table in a folder. Any thread may call it."""

    def __init__(self, table: DeltaTable) -> None:
        self._process = os.getpid()
        self._table = table
        self._engine: QueryBuilder | None = None

    def read(
        self, batch_ids: Collection[str], weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> list[AttemptVersion] | None:
        """The copies of versions with these hashes. None if this engine cannot read them: DuckDB then says why.

        A file can be missing or damaged, and the threads of the engine do not exist in a forked child.
        """
        if os.getpid() != self._process:
            return None
        if self._engine is None:  # two threads may both make one; either will do
            self._engine = QueryBuilder(_ONE_THREAD).register("attempts", self._table)
        sql = _ROWS.format(
            weeks=" OR ".join(f"year = {week.year} AND week = {week.week}" for week in sorted(weeks)),
            batches=_list(map(_text, sorted(batch_ids))),
            user=_text(user_id),
            hashes=_list(f"X'{hash_.hex()}'" for hash_ in sorted(hashes)),
        )
        try:
            # through Arrow's C interface: the engine's own reader keeps the interpreter's lock while it reads
            found = pa.RecordBatchReader.from_stream(self._engine.execute(sql)).read_all()
        except (DeltaError, pa.ArrowException, OSError):
            return None
        return list(map(_version, found.to_pylist()))


def start_threads() -> None:
    """Start the threads of deltalake, which otherwise start with the first use of a table."""
    QueryBuilder().execute("SELECT 1")


def _list(literals: Iterable[str]) -> str:
    return ", ".join(literals)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _version(row: Mapping[str, Any]) -> AttemptVersion:
    return AttemptVersion(
        AttemptKey(row["user_id"], row["course_id"], row["batch_id"], row["content_id"], row["attempt_id"]),
        Version(millis(row["last_attempted_on"]), row["has_answers"], row["content_hash"]),
        row["total_score"],
        row["total_max_score"],
        row["grand_total"],
        question_text([_answer(answer) for answer in row["question"]]).decode(),
        millis(row["updated_on"]),
    )


def _answer(stored: Mapping[str, Any]) -> Answer:
    at = stored["assess_ts"]
    return Answer(
        stored["id"],
        None if at is None else millis(at),
        stored["max_score"],
        stored["score"],
        stored["type"],
        stored["title"],
        _maps(stored["resvalues"]),
        _maps(stored["params"]),
        stored["description"],
        stored["duration"],
    )


def _maps(stored: Sequence[Sequence[tuple[str, str]]]) -> list[dict[str, str]]:
    return list(map(dict, stored))
