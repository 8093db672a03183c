"""A learner's copies in the lake with their place: file, row group and row."""

from collections.abc import Collection, Mapping
from itertools import accumulate
from typing import Final, cast

from assess_core.adapters.duckdb.archived import OF_LEARNER, at_newest_version
from assess_core.adapters.duckdb.connection import PLACE, parquet, urls
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import ROW, to_version
from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.adapters.duckdb.warm import WarmConnections
from assess_core.domain.slices import IsoWeek
from assess_core.ports.lake import Lake, LakeFile, Pinned
from assess_core.ports.reports import Located

_GROUPS: Final = "SELECT DISTINCT row_group_id, row_group_num_rows AS rows FROM parquet_metadata({}) ORDER BY ALL"


def read_located(
    lake: Lake,
    warm: WarmConnections,
    batch_id: str,
    weeks: Collection[IsoWeek],
    user_id: str,
    hashes: Collection[bytes],
) -> list[Located]:
    """See `ports.Unions.located`."""
    parameters = {"batch_id": batch_id, "user_id": user_id, "hashes": list(hashes)}
    return at_newest_version(lake.pin, lambda pinned: _read(pinned, warm, weeks, parameters))


def _read(
    pinned: Pinned, warm: WarmConnections, weeks: Collection[IsoWeek], parameters: Mapping[str, object]
) -> list[Located]:
    files = pinned.files(weeks)
    if not files:
        return []
    place = ", ".join(PLACE)
    with warm.lend(location_of(pinned)) as duck:
        union = DuckUnion(duck, pinned, files)
        sql = f"{ROW}, {place} FROM {parquet(files, place=True)} WHERE {OF_LEARNER} ORDER BY {place}"
        rows = list(union.rows(sql, parameters))
        numbers = sorted({cast(int, row["file_index"]) for row in rows})
        ends = {number: _ends(union, files[number]) for number in numbers}
    found = []
    for row in rows:
        file, number = (cast(int, row.pop(name)) for name in PLACE)
        group = next(index for index, end in enumerate(ends[file]) if number < end)
        found.append(Located(to_version(row), files[file].url, group, number - ([0, *ends[file]])[group]))
    return found


def _ends(union: DuckUnion, file: LakeFile) -> list[int]:
    """The number of the first row after each row group of a file."""
    return list(accumulate(cast(int, row["rows"]) for row in union.rows(_GROUPS.format(urls([file])))))
