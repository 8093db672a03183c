"""A Parquet response report has the rows that one sort of all rows gives, in bounded memory."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec import structs

from assess_core.adapters.duckdb.memory import LEAST, MemoryBudget
from assess_core.adapters.duckdb.reports.columns import chosen, header, report_sql
from assess_core.adapters.duckdb.reports.naming import TABLE
from assess_core.adapters.duckdb.reports.picked import REPORTED, picked_sql
from assess_core.adapters.duckdb.reports.response import RESPONSE
from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.names import NameKind
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report
from assess_core.ports.reports import Packing
from tests.adapters.test_report_lines import hostile, tiers
from tests.factories import answer, version
from tests.lakes import asked, stores_over

RANGES = "assess_core.adapters.duckdb.reports.ranges"


def ranges_of(most: int, ranges: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{RANGES}.MOST_ATTEMPTS", most)
    monkeypatch.setattr(f"{RANGES}._RANGES", ranges)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"versions": "all"},
        {"columns": ("Question Score", "User UUID", "Attempted On")},
        {"names": "learners"},
    ],
    ids=str,
)
@pytest.mark.parametrize("tier", ["hot", "both", "lake"])
def test_ranges_of_attempts_give_the_rows_and_types_of_one_sort(
    tier: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, ours, duckdbs = stores_over(MemoryHot(), tmp_path), tmp_path / "ours", tmp_path / "duckdbs"
    tiers(stores, tier, hostile(150))
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
    assert written.rows == expected.num_rows > 100
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


def test_a_range_that_does_not_fit_into_memory_is_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,500 attempts with 135 MB of titles, and 128 MB for DuckDB."""
    stores, target = stores_over(MemoryHot(), tmp_path), tmp_path / "report"
    answers = [structs.replace(answer(f"q{number:02}"), title=f"{number:02}" * 2250) for number in range(20)]
    tiers(stores, "hot", [version(user_id=f"u{number * 7919 % 1500:04}", answers=answers) for number in range(1500)])
    monkeypatch.setattr("assess_core.adapters.duckdb.connection.BUDGET", MemoryBudget(4 * LEAST))

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        written = union.write_report(asked("b1", Report.RESPONSE, Format.PARQUET), target, Packing("b1.parquet"))

    learners = pq.read_table(target, columns=["User UUID"]).column(0).to_pylist()
    assert written.rows == len(learners) == 30_000
    assert learners == sorted(learners)
