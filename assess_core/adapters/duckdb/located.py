"""A learner's copies in the lake with their place: file, row group and row."""

from collections.abc import Collection
from itertools import accumulate
from typing import Final, cast

from assess_core.adapters.duckdb.archived import OfLearner, read_of_learner
from assess_core.adapters.duckdb.connection import PLACE, parquet, urls
from assess_core.adapters.duckdb.questions import ROW, to_version
from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.domain.slices import IsoWeek
from assess_core.ports.lake import Lake, LakeFile
from assess_core.ports.reports import Located

_GROUPS: Final = "SELECT DISTINCT row_group_id, row_group_num_rows AS rows FROM parquet_metadata({}) ORDER BY ALL"


def read_located(
    lake: Lake,
    batch_id: str,
    weeks: Collection[IsoWeek],
    user_id: str,
    hashes: Collection[bytes],
) -> list[Located]:
    """See `ports.Unions.located`."""
    return read_of_learner(lake.pin, [batch_id], weeks, user_id, hashes, _read)


def _read(found: OfLearner) -> list[Located]:
    place = ", ".join(PLACE)
    rows = list(found.rows(f"{ROW}, {place}", parquet(found.files, place=True), f"ORDER BY {place}"))
    numbers = sorted({cast(int, row["file_index"]) for row in rows})
    ends = {number: _ends(found.union, found.files[number]) for number in numbers}
    located = []
    for row in rows:
        file, number = (cast(int, row.pop(name)) for name in PLACE)
        group = next(index for index, end in enumerate(ends[file]) if number < end)
        located.append(Located(to_version(row), found.files[file].url, group, number - ([0, *ends[file]])[group]))
    return located


def _ends(union: DuckUnion, file: LakeFile) -> list[int]:
    """The number of the first row after each row group of a file."""
    return list(accumulate(cast(int, row["rows"]) for row in union.rows(_GROUPS.format(urls([file])))))
