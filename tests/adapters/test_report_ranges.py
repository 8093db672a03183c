"""A Parquet response report has the rows that one sort of all rows gives, in bounded memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from assess_core.adapters.duckdb.reports.columns import chosen, header, report_sql
from assess_core.adapters.duckdb.reports.naming import TABLE
from assess_core.adapters.duckdb.reports.picked import REPORTED, picked_sql
from assess_core.adapters.duckdb.reports.response import RESPONSE
from assess_core.adapters.duckdb.reports.spilling import spill
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


def ranges_of(least_attempts: int, most_ranges: int, most_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{RANGES}._LEAST_ATTEMPTS", least_attempts)
    monkeypatch.setattr(f"{RANGES}._MOST_RANGES", most_ranges)
    monkeypatch.setattr(f"{RANGES}._MOST_BYTES", most_bytes)


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
        for sizes in ((1000, 100, 1 << 20), (7, 3, 1), (30, 100, 1 << 20)):  # in the second one, ranges of ranges
            ranges_of(*sizes, monkeypatch)
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


@pytest.mark.parametrize("format_", [Format.CSV, Format.PARQUET])
def test_rows_that_are_read_in_parts_give_the_same_file(
    format_: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, paths = stores_over(MemoryHot(), tmp_path), [tmp_path / "whole", tmp_path / "parts"]
    tiers(stores, "both", hostile(40))

    def in_parts(_: object, write: Callable[[Path, int], object], folder: Path) -> object:
        return write(folder, 3)

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        for target in paths:
            union.write_report(asked("b1", Report.RESPONSE, format_), target, Packing("b1"))
            for module in (RANGES, "assess_core.adapters.duckdb.reports.writing"):
                monkeypatch.setattr(f"{module}.spill", in_parts)

    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_if_memory_is_too_small_one_thread_reads_the_rows_and_then_part_by_part(tmp_path: Path) -> None:
    tried: list[tuple[bool, int]] = []

    def write(folder: Path, parts: int) -> str:
        [(threads,)] = duck.execute("SELECT current_setting('threads')").fetchall()
        tried.append((int(threads) == 1, parts))
        (folder / "file").touch()
        if parts == 1:
            raise duckdb.OutOfMemoryException("Out of Memory Error")
        return "written"

    with duckdb.connect(config={"threads": 2}) as duck:
        assert spill(duck, write, tmp_path) == "written"

    assert tried == [(False, 1), (True, 1), (True, 16)]
    assert [file.name for file in tmp_path.rglob("file")] == ["file"]
