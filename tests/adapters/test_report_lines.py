"""The lines of the response report are those of DuckDB's CSV writer, in bounded memory."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from assess_core.adapters.duckdb.memory import LEAST, MemoryBudget
from assess_core.adapters.duckdb.reports.columns import chosen, header, report_sql
from assess_core.adapters.duckdb.reports.lines import records_sql
from assess_core.adapters.duckdb.reports.naming import TABLE
from assess_core.adapters.duckdb.reports.picked import REPORTED, picked_sql
from assess_core.adapters.duckdb.reports.response import RESPONSE
from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import Answer, AttemptVersion, latest_answers, make_version
from assess_core.domain.names import NameKind
from assess_core.domain.report_formats import ROW_FORMATS, Format
from assess_core.domain.report_spec import Report
from assess_core.ports.reports import Packing
from assess_core.ports.stores import Stores
from tests.factories import ATTEMPTED, WEEK, answer, key, version
from tests.lakes import NASTY, asked, keep, move, put, stores_over

CHARACTERS = "".join(map(chr, range(128))) + "é\u2028\ufeff😀"
TEXTS: Final[tuple[str, ...]] = (
    *NASTY,
    *CHARACTERS,
    *(f"x{character}y" for character in CHARACTERS),
    *("", "=1+1", "0123", "12e5", "{}", "null"),
)
NUMBERS = (0.0, -0.0, 0.5, -0.5, 2.5, 0.1 + 0.2, 1e15, 1e16, 1e21, 1e22, 1e-4, 1e-6, 1e-7, 5e-324, 1.797e308)


def hostile(count: int) -> list[AttemptVersion]:
    """Attempts with texts and numbers that are hard to write as CSV; some have two versions."""
    chance = random.Random(7)

    def text() -> str:
        return chance.choice(TEXTS)

    def maps() -> list[dict[str, str]]:
        return [{text(): text() for _ in range(chance.randrange(3))} for _ in range(chance.randrange(4))]

    def one() -> Answer:
        maximum, score, duration = chance.choices(NUMBERS, k=3)
        kind, title, description = chance.choices((None, *TEXTS), k=3)
        return Answer(text(), 1, maximum, score, kind, title, maps(), maps(), description, duration)

    attempts = [key(text(), chance.choice(["c1", text()]), "b1", text(), text()) for _ in range(count)]
    return [
        make_version(
            attempt,
            chance.choice([0, ATTEMPTED, ATTEMPTED + 1]),
            latest_answers(one() for _ in range(chance.randrange(5))),
            ATTEMPTED + chance.randrange(3) * WEEK,
        )
        for attempt in (*attempts, *attempts[::5])
    ]


def tiers(stores: Stores, tier: str, rows: Sequence[AttemptVersion]) -> None:
    keep(stores.hot, rows)
    if tier == "both":
        put(stores.lake, rows[::2])
    if tier == "lake":
        move(stores.hot, stores.lake, rows)


@pytest.mark.parametrize("spreadsheet", [False, True])
@pytest.mark.parametrize("tier", ["hot", "both", "lake"])
def test_the_bytes_are_those_that_duckdb_writes(tier: str, spreadsheet: bool, tmp_path: Path) -> None:
    stores, ours, duckdbs = stores_over(MemoryHot(), tmp_path), tmp_path / "ours.csv", tmp_path / "duckdbs.csv"
    tiers(stores, tier, hostile(400))

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        spec = asked("b1", Report.RESPONSE, spreadsheet=spreadsheet)
        written = union.write_report(spec, ours, Packing("b1.csv"))
        picked, _ = picked_sql(spec, RESPONSE.unit)
        columns = chosen(RESPONSE, (), spec)
        sql = report_sql(RESPONSE, columns, header(columns, spec))
        list(union.rows(f"CREATE TABLE picked AS {picked}"))
        for statement in (REPORTED, *(TABLE.format(kind=kind) for kind in NameKind)):
            list(union.rows(statement.replace(" TEMP", "")))  # each query has its own connection
        [copied] = union.rows(f"COPY ({sql}) TO '{duckdbs}' (FORMAT csv, HEADER)")

    assert ours.read_bytes() == duckdbs.read_bytes()
    assert [written.rows] == list(copied.values())


@pytest.mark.long
@pytest.mark.parametrize("tier", ["hot", "both", "lake"])
def test_the_texts_of_attempts_are_those_of_single_rows(tier: str, tmp_path: Path) -> None:
    """A report with chosen columns is written row by row."""
    stores = stores_over(MemoryHot(), tmp_path)
    tiers(stores, tier, hostile(200))
    every = tuple(column.name for column in RESPONSE.columns)

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        for format_ in set(ROW_FORMATS) - {Format.PARQUET}:
            for name, columns in (("attempts", ()), ("rows", every)):
                spec = asked("b1", Report.RESPONSE, format_, columns=columns)
                union.write_report(spec, tmp_path / name, Packing("b1.csv"))

            assert (tmp_path / "attempts").read_bytes() == (tmp_path / "rows").read_bytes(), format_


@pytest.mark.long
@pytest.mark.parametrize(("tier", "memory"), [("hot", LEAST), ("lake", 4 * LEAST)])
def test_all_rows_of_a_report_are_in_order_within_little_memory(
    tier: str, memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB gets half of the memory, but at least 64 MB. The report has 50 MB, and rows of 60 portions."""
    stores, target = stores_over(MemoryHot(), tmp_path), tmp_path / "report"
    questions = [f"q{number:02}" for number in range(20)]
    learners = [f"u{number:04}" for number in range(6_000)]
    answers = [answer(question) for question in questions]
    tiers(stores, tier, [version(user_id=learners[number * 7919 % 6_000], answers=answers) for number in range(6_000)])
    monkeypatch.setattr("assess_core.adapters.duckdb.connection.BUDGET", MemoryBudget(memory))

    for format_ in (Format.CSV, Format.PARQUET):
        with stores.union(batches=["b1"]) as union:
            written = union.write_report(asked("b1", Report.RESPONSE, format_), target, Packing("b1.csv"))

        columns = ["User UUID", "Question Id"]
        if format_ is Format.PARQUET:
            rows = pq.read_table(target, columns=columns)
        else:
            rows = csv.read_csv(target, convert_options=csv.ConvertOptions(include_columns=columns))
        assert rows["User UUID"].to_pylist() == [learner for learner in learners for _ in questions]
        assert rows["Question Id"].to_pylist() == questions * 6_000
        assert written.rows == 120_000


def test_names_of_attempts_are_joined_to_rows_without_copying_their_answers(tmp_path: Path) -> None:
    stores, spec = stores_over(MemoryHot(), tmp_path), asked("b1", Report.RESPONSE)
    keep(stores.hot, [version()])

    with open_union(stores.hot, stores.lake, batches=["b1"]) as union:
        for kind in NameKind:
            list(union.rows(TABLE.format(kind=kind).replace("TEMP ", "")))  # each query has its own connection
        list(union.rows("CREATE MACRO numbered_at(place) AS place"))
        [plan] = union.rows(f"EXPLAIN {records_sql(spec)}", {"parts": 1, "part": 0})
        list(union.rows("DROP MACRO numbered_at"))  # the database is used again

    # a delim join, which DuckDB makes of a subquery, copies all columns of the rows around it
    assert "HASH_JOIN" in str(plan)
    assert "DELIM" not in str(plan)
