"""The table `scores`: rows of `attempts` whose answers were dropped. A week of it is always written as a whole."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from assess_core.adapters.arrow.rows import SCORES_SCHEMA
from assess_core.adapters.duckdb.connection import UNREADABLE, connect, literal, parquet
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.adapters.lake.copies import unreadable
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.lake.rewriting import COPY, GROUP_ROWS, ORDER, Draft, count_rows
from assess_core.domain.manifest import Contents, digest_of
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import VerifyFailed
from assess_core.ports.lake import LakeFile, Pinned
from assess_core.ports.scores import ScoresDraft, Totalled

_ATTEMPT: Final = "user_id, course_id, batch_id, content_id, attempt_id"
_TOTALS: Final = pa.schema([("content_hash", pa.binary()), ("score", pa.float64()), ("max_score", pa.float64())])

# no content hash proves these rows, so the digest covers every column
_TEXT: Final = f"""
json_array({_ATTEMPT}, epoch_ms(last_attempted_on), has_answers, lower(hex(content_hash)), epoch_ms(updated_on),
    total_score, total_max_score, grand_total, answers, corrected_score, corrected_max_score)::VARCHAR
"""
_CONTENTS: Final = f"""
SELECT batch_id, count(*), count(DISTINCT content_hash), count(DISTINCT ({_ATTEMPT})),
    sum(total_score ORDER BY content_hash, updated_on),
    {", ".join(f"sum(('0x' || substr(digest, {start}, 16))::UBIGINT)" for start in (1, 17, 33, 49))}
FROM (SELECT *, sha256({_TEXT}) AS digest FROM {{rows}}) {{where}} GROUP BY batch_id
"""

# rows of `attempts` first: if a killed drop left rows of the same copies, their corrected totals can be older
_SOURCE: Final = f"""
CREATE TEMP VIEW source AS
SELECT * EXCLUDE (is_kept) FROM (
    SELECT rows.* REPLACE (NULL AS question), len(question) AS answers,
        totals.score AS corrected_score, totals.max_score AS corrected_max_score, false AS is_kept
    FROM {{attempts}} AS rows SEMI JOIN keep USING (batch_id) LEFT JOIN totals USING (content_hash)
    UNION ALL BY NAME
    SELECT *, true AS is_kept FROM {{scores}} ANTI JOIN leave USING (batch_id) ANTI JOIN erased USING (user_id)
)
QUALIFY row_number() OVER (PARTITION BY {COPY} ORDER BY is_kept) = 1
"""


def contents_of(pinned: Pinned, week: IsoWeek, user_ids: Collection[str] | None = None) -> dict[ArchiveSlice, Contents]:
    """See `lake.Lake.score_contents`."""
    files = pinned.files([week])
    if not files:
        return {}
    with _connected(pinned, files) as duck:
        return _contents(duck, week, parquet(files, kept=True), user_ids)


@contextmanager
def draft_of(attempts: Pinned, scores: Pinned, week: IsoWeek, asked: ScoresDraft) -> Iterator[Draft]:
    """See `lake.Lake.scores_draft`. The file is deleted when the block ends."""
    old, files = attempts.files([week]) if asked.keep else [], scores.files([week])
    with temporary_folder("assess-scores-") as folder:
        target = Path(folder) / "draft.parquet"
        with _connected(attempts, [*old, *files]) as duck:
            for name, slices in (("keep", asked.keep), ("leave", asked.leave)):
                batch_ids = pa.array(sorted(slice_.batch_id for slice_ in slices), pa.string())
                duck.register(name, pa.table({"batch_id": batch_ids}))
            duck.register("erased", pa.table({"user_id": pa.array(sorted(asked.without_learners), pa.string())}))
            _store(duck, asked.totals)
            duck.execute(_SOURCE.format(attempts=parquet(old), scores=parquet(files, kept=True)))
            duck.execute(
                f"COPY (SELECT {', '.join(SCORES_SCHEMA.names)} FROM source ORDER BY {ORDER}) "
                f"TO {literal(str(target))} (FORMAT parquet, ROW_GROUP_SIZE {GROUP_ROWS}, USE_TMP_FILE false)"
            )
            written = LakeFile(str(target), week, count_rows(target), target.stat().st_size)
            expected = _contents(duck, week, "source", None)
            if _contents(duck, week, parquet([written], kept=True), None) != expected:
                raise VerifyFailed(
                    f"the scores of week {week} changed while they were written; nothing was committed; run it again, "
                    "and report a bug if this happens again"
                )
        yield Draft(scores.version, Folder(Path(folder)), written, SCORES_SCHEMA)


def _store(duck: duckdb.DuckDBPyConnection, totals: Iterator[list[Totalled]]) -> None:
    """The table `totals`: of each version once."""
    duck.execute("CREATE TEMP TABLE totals (content_hash BLOB PRIMARY KEY, score DOUBLE, max_score DOUBLE)")
    for some in totals:
        columns = zip(*some, strict=True) if some else ((), (), ())
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _TOTALS, strict=True)]
        duck.register("chunk", pa.Table.from_arrays(arrays, schema=_TOTALS))
        duck.execute("INSERT OR IGNORE INTO totals SELECT * FROM chunk")


@contextmanager
def _connected(pinned: Pinned, files: Collection[LakeFile]) -> Iterator[duckdb.DuckDBPyConnection]:
    place = location_of(pinned)
    with connect(place, size=sum(file.bytes for file in files)) as duck:
        try:
            yield duck
        except UNREADABLE as error:
            raise unreadable(duck, place, [*files], error) from error


def _contents(
    duck: duckdb.DuckDBPyConnection, week: IsoWeek, rows: str, user_ids: Collection[str] | None
) -> dict[ArchiveSlice, Contents]:
    where = "" if user_ids is None else "WHERE user_id IN (SELECT unnest(?::VARCHAR[]))"
    found: dict[ArchiveSlice, Contents] = {}
    values = [] if user_ids is None else [sorted(user_ids)]
    for batch_id, count, versions, attempts, score, *limbs in duck.execute(
        _CONTENTS.format(rows=rows, where=where), values
    ).fetchall():
        sum_ = score if isfinite(score) else 0.0
        found[ArchiveSlice(week, batch_id)] = Contents(count, versions, attempts, sum_, digest_of(limbs))
    return found
