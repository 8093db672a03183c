"""A Parquet response report has the rows that one sort of all rows gives, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assess_core.adapters.duckdb.reports.columns import chosen, header, report_sql
from assess_core.adapters.duckdb.reports.naming import TABLE
from assess_core.adapters.duckdb.reports.picked import REPORTED, picked_sql
from assess_core.adapters.duckdb.reports.ranges import rows_in_order
from assess_core.adapters.duckdb.reports.response import RESPONSE
from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.names import NameKind
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report
from assess_core.ports.reports import Packing
from tests.adapters.test_report_lines import hostile, tiers
from tests.factories import version
from tests.lakes import asked, stores_over

RANGES = "assess_core.adapters.duckdb.reports.ranges"


def ranges_of(most: int, ranges: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{RANGES}.MOST_ATTEMPTS", most)
    monkeypatch.setattr(f"{RANGES}._RANGES", ranges)


@pytest.mark.parametrize(
    ("tier", "options"),
    [
        ("hot", {}),
        ("lake", {}),
        ("both", {"versions": "all"}),
        ("both", {"columns": ("Question Score", "User UUID", "Attempted On")}),
        ("both", {"names": "learners"}),
    ],
    ids=str,
)
def test_ranges_of_attempts_give_the_rows_and_types_of_one_sort(
    tier: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, ours, duckdbs = stores_over(MemoryHot(), tmp_path), tmp_path / "ours", tmp_path / "duckdbs"
    tiers(stores, tier, hostile(80))
    spec = asked("b1", Report.RESPONSE, Format.PARQUET, **options)
    files = []

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        for most, ranges in ((1000, 100), (7, 3), (30, 100)):  # in the second one, ranges of ranges
            ranges_of(most, ranges, monkeypatch)
            written = union.write_report(spec, ours, Packing("b1.parquet"))
            files.append(ours.read_bytes())
        columns = chosen(RESPONSE, (), spec)
        sql = report_sql(RESPONSE, columns, header(columns, spec))
        list(union.rows(f"CREATE TABLE picked AS {picked_sql(spec, RESPONSE.unit)[0]}"))
        for statement in (REPORTED, *(TABLE.format(kind=kind) for kind in NameKind)):
            list(union.rows(statement.replace(" TEMP", "")))  # each query has its own connection
        list(union.rows(f"COPY ({sql}) TO '{duckdbs}' (FORMAT parquet)"))

    expected, found = pq.read_table(duckdbs), pq.read_table(ours)
    assert found.equals(expected)
    assert found.schema.equals(expected.schema)
    assert written.rows == expected.num_rows > 80
    assert files[0] == files[1] == files[2]


def test_the_file_names_the_versions_that_its_bytes_depend_on(tmp_path: Path) -> None:
    stores, target = stores_over(MemoryHot(), tmp_path), tmp_path / "report"
    tiers(stores, "hot", [version()])

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        written = union.write_report(asked("b1", Report.RESPONSE, Format.PARQUET), target, Packing("b1.parquet"))

    assert written.written_with.keys() == {"duckdb", "pyarrow"}
    metadata = pq.read_metadata(target).metadata
    assert metadata == {name.encode(): found.encode() for name, found in written.written_with.items()}


def test_a_report_without_attempts_has_the_types_of_others(tmp_path: Path) -> None:
    stores, target = stores_over(MemoryHot(), tmp_path), tmp_path / "report"
    tiers(stores, "hot", [version()])

    schemas = []
    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        for course in (None, "another"):
            spec = asked("b1", Report.RESPONSE, Format.PARQUET, course=course)
            union.write_report(spec, target, Packing("b1.parquet"))
            schemas.append(pq.read_schema(target))

    assert pq.read_metadata(target).num_rows == 0
    assert schemas[0] == schemas[1]


class LittleMemory:
    """A connection whose memory is too small for the report of more than three attempts."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, sql: str) -> None:
        self._duck = duck
        self._sql = sql

    def execute(self, sql: str, parameters: dict[str, int] | None = None) -> duckdb.DuckDBPyConnection:
        if sql == self._sql:
            [(attempts,)] = self._duck.execute("SELECT count(*) FROM reported").fetchall()
            if attempts > 3:
                raise duckdb.OutOfMemoryException("Out of Memory Error")
        return self._duck.execute(sql, parameters)


def test_a_range_that_does_not_fit_into_memory_is_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores, paths = stores_over(MemoryHot(), tmp_path), [tmp_path / "whole", tmp_path / "divided"]
    tiers(stores, "hot", hostile(40))

    def with_little_memory(duck: duckdb.DuckDBPyConnection, sql: str, folder: Path) -> Iterator[pa.Table]:
        return rows_in_order(cast(duckdb.DuckDBPyConnection, LittleMemory(duck, sql)), sql, folder)

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        for target in paths:
            union.write_report(asked("b1", Report.RESPONSE, Format.PARQUET), target, Packing("b1.parquet"))
            ranges_of(4, 3, monkeypatch)
            monkeypatch.setattr("assess_core.adapters.duckdb.reports.writing.rows_in_order", with_little_memory)

    assert paths[0].read_bytes() == paths[1].read_bytes()
