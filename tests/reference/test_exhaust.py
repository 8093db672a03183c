"""The response exhaust of the reference batch, half of it archived, compared with the peer's file."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from assess_core.adapters.duckdb.unions import DuckUnions
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.moments import clock
from assess_core.domain.report_spec import Report
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from tests.lakes import asked, keep, put, stores_over
from tests.sunbird import archived_rows, live_rows

COURSE = "do_1130928636168192001667"
UNKNOWN_NAMES = ("Collection Name", "Batch Name", "QuestionSet Title")
ZONE = "+0000"  # the time zone of the peer's session, which its cells do not show

Row = dict[str, str]


@pytest.fixture
def reference(sunbird: Path, tmp_path: Path) -> Stores:
    """Stores with the live rows in the hot store and the archive of the newer layout in the lake."""
    stores = stores_over(MemoryHot(), tmp_path)
    keep(stores.hot, live_rows(sunbird / "exhaust" / "live.cql"))
    for path in sorted((sunbird / "exhaust" / "archive" / f"batch-001_{COURSE}").glob("*.csv")):
        put(stores.lake, archived_rows(path))
    return stores


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def peer_rows(sunbird: Path) -> list[Row]:
    return read(sunbird / "exhaust" / "expected" / "peer_v2_batch-001.csv")


def ours(stores: Stores, course_id: str | None = COURSE) -> list[Row]:
    return read(Path(write_exhaust(stores, asked("batch-001", Report.RESPONSE, course=course_id)).path))


def in_the_format_of_the_peer(row: Row) -> Row:
    """Our row in the format of the peer's file, which can show less."""
    mangled = dict(row)
    for column in ("Question Options", "Question Response"):
        mangled[column] = row[column].replace("\\n", "").replace("\\", "").replace('"', "'") or "null"
    mangled["Attempted On"] = str(clock(row["Attempted On"])) if row["Attempted On"] else ""
    return mangled


def without_names_of_services(row: Row) -> Row:
    """The peer's row without the names from services, and with its time parsed."""
    at = row["Attempted On"]
    return row | dict.fromkeys(UNKNOWN_NAMES, "") | {"Attempted On": str(clock(at + ZONE)) if at else ""}


def test_the_report_has_the_15_correct_rows_of_the_peer(reference: Stores, sunbird: Path) -> None:
    peer = [without_names_of_services(row) for row in peer_rows(sunbird)]
    blank_of_a_full_attempt = [row for row in peer if row["User UUID"] == "user-002" and not row["Question Id"]]

    rows = [in_the_format_of_the_peer(row) for row in ours(reference)]

    assert len(rows) == 15
    assert len(blank_of_a_full_attempt) == 1
    order = list(rows[0])
    in_order = sorted(
        (row for row in peer if row not in blank_of_a_full_attempt),
        key=lambda row: (row["User UUID"], row["QuestionSet Id"], row["Attempt Id"], row["Question Id"]),
    )
    assert rows == in_order
    assert order == list(peer_rows(sunbird)[0])


def test_each_learner_has_the_number_of_rows_in_the_reference(reference: Stores) -> None:
    assert Counter(row["User UUID"] for row in ours(reference)) == {"user-001": 4, "user-002": 10, "user-003": 1}


def test_each_learner_of_another_course_adds_one_row(reference: Stores) -> None:
    all_rows = ours(reference, course_id=None)

    others = [row for row in all_rows if row["Collection Id"] != COURSE]
    assert len(all_rows) == 17
    assert [row["User UUID"] for row in others] == ["user-008", "user-010"]


def test_the_report_of_only_the_live_rows_equals_the_peers_report(
    sunbird: Path, reference: Stores, tmp_path: Path
) -> None:
    no_lake = DeltaLake(Folder(tmp_path / "no lake"))
    live_only = reference._replace(lake=no_lake, union=DuckUnions(reference.hot, no_lake))
    peer = [
        without_names_of_services(row) for row in read(sunbird / "exhaust" / "expected" / "live_only_batch-001.csv")
    ]

    rows = [in_the_format_of_the_peer(row) for row in ours(live_only)]

    for row in (*rows, *peer):  # this file of the peer writes 1, its other file writes 1.0
        row["Question Duration"] = row["Question Duration"].removesuffix(".0")
    assert rows == peer
