"""Reports show names from a source, beside their ids."""

import csv
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from assess_core.domain.names import Named, NameKind, NamesDigest
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import ANALYSES, TABLES, Naming, Report, ReportSpec, parse_report_spec
from assess_core.errors import BadNames, BadReport
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import Exhaust, write_exhaust
from tests.adapters.test_names import opened, write_names
from tests.factories import version
from tests.lakes import asked, five_versions, keep, move
from tests.name_search import Row

ROWS: list[Row] = [
    ("course", "c1", '=Maths, "5"', ""),
    ("batch", "b1", "மார்ச் batch", ""),
    ("assessment", "a1", "Fractions", ""),
    ("learner", "u1", "Asha K", "School 12"),
    ("learner", "u2", "", "+School 13"),
    ("learner", "another", "Nobody", ""),
    ("course", "another", "Physics", ""),
]


def with_names(stores: Stores, folder: Path, rows: Sequence[Row] = ROWS) -> Stores:
    """The stores with a file of names, and with attempts in both tiers."""
    keep(stores.hot, five_versions())
    move(stores.hot, stores.lake, five_versions()[2:])
    return stores._replace(names=opened(str(write_names(folder / "names.csv", rows))))


def named(report: Report, names: Naming | None, format_: Format = Format.CSV, **options: object) -> ReportSpec:
    return asked("b1", report, format_, names=names, **options)


def table(written: Exhaust) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path(written.path).read_text(encoding="utf-8"))))


def sidecar(written: Exhaust) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{written.path}.json").read_text(encoding="utf-8"))
    return found


def test_the_columns_of_sunbird_have_titles_if_there_is_a_source(stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    for row in table(write_exhaust(stores, asked("b1", Report.RESPONSE))):
        assert (row["Collection Name"], row["Batch Name"]) == ('=Maths, "5"', "மார்ச் batch")
        assert row["QuestionSet Title"] == "Fractions"
    for row in table(write_exhaust(stores, asked("b1", Report.PROGRESS))):
        assert (row["Collection Name"], row["Batch Name"]) == ('=Maths, "5"', "மார்ச் batch")


@pytest.mark.parametrize("report", TABLES)
def test_names_add_columns_and_change_no_row(report: Report, stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    without = table(write_exhaust(stores, named(report, Naming.NONE)))
    for naming in (None, Naming.TITLES, *(() if report in ANALYSES else (Naming.LEARNERS,))):
        rows = table(write_exhaust(stores, named(report, naming)))
        titles = [name for name in without[0] if name.endswith((" Name", " Title"))]
        same = [{name: value for name, value in row.items() if name not in titles} for row in without]
        assert [{name: row[name] for name in plain} for row, plain in zip(rows, same, strict=True)] == same


@pytest.mark.parametrize("report", [report for report in TABLES if report not in ANALYSES])
def test_names_of_learners_appear_only_if_they_are_asked_for(report: Report, stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    for naming in (None, Naming.NONE, Naming.TITLES):
        assert b"Asha" not in Path(write_exhaust(stores, named(report, naming)).path).read_bytes()
    rows = table(write_exhaust(stores, named(report, Naming.LEARNERS)))
    user, name, organisation = (
        ("user_id", "user_name", "organisation") if "user_id" in rows[0] else ("User UUID", "User Name", "Organisation")
    )
    assert {row[user]: (row[name], row[organisation]) for row in rows} == {
        "u1": ("Asha K", "School 12"),
        "u2": ("", "+School 13"),
        "u3": ("", ""),
    }


def test_an_analysis_has_no_names_of_learners() -> None:
    with pytest.raises(BadReport, match="names: the report item-analysis has no learners; use titles"):
        parse_report_spec({"report": "item-analysis", "batchId": "b1", "names": "learners"})


@pytest.mark.parametrize("format_", [Format.CSV_GZ, Format.PARQUET, Format.XLSX])
def test_the_same_names_in_another_order_give_the_same_bytes(format_: Format, stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    first = write_exhaust(stores, named(Report.RESPONSE, Naming.TITLES, format_))
    content, names = Path(first.path).read_bytes(), sidecar(first)["names"]
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    second = write_exhaust(
        stores._replace(names=opened(str(write_names(tmp_path / "names.jsonl", shuffled)))),
        named(Report.RESPONSE, Naming.TITLES, format_),
    )

    assert Path(second.path).read_bytes() == content
    assert sidecar(second)["names"]["sha256"] == names["sha256"]
    assert sidecar(second)["names"]["source_sha256"] != names["source_sha256"]


def test_a_report_in_lines_has_the_names_of_a_report_in_rows(stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    lines = write_exhaust(stores, named(Report.RESPONSE, None))
    content = Path(lines.path).read_bytes()
    rows = write_exhaust(stores, named(Report.RESPONSE, None, columns=tuple(table(lines)[0])))
    assert Path(rows.path).read_bytes() == content


def test_a_name_that_a_spreadsheet_would_run_is_text(stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    [row, *_] = table(write_exhaust(stores, named(Report.SCORE, Naming.TITLES, spreadsheet=True)))
    assert row["course_name"] == '\'=Maths, "5"'


def test_the_sidecar_says_which_names_were_read(stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    read = sidecar(write_exhaust(stores, named(Report.SCORE, Naming.LEARNERS)))["names"]

    assert read["source"] == str(tmp_path / "names.csv")
    assert read["asked"] == {"course": 1, "batch": 1, "assessment": 1, "learner": 3}
    assert read["found"] == {"course": 1, "batch": 1, "assessment": 1, "learner": 2}
    assert sidecar(write_exhaust(stores, named(Report.SCORE, None)))["names"] is None
    assert sidecar(write_exhaust(stores, named(Report.SCORE, Naming.TITLES)))["names"]["sha256"] != read["sha256"]


def test_only_the_names_of_the_chosen_columns_are_read(stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    spec = named(Report.SCORE, Naming.LEARNERS, columns=("user_id", "batch_name"))
    assert sidecar(write_exhaust(stores, spec))["names"]["asked"] == {"batch": 1}


def test_without_names_a_source_that_is_away_does_not_matter(stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    (tmp_path / "names.csv").unlink()
    for report in (Report.RESPONSE, Report.PROGRESS, Report.SCORE):
        assert sidecar(write_exhaust(stores, named(report, Naming.NONE)))["names"] is None
    assert write_exhaust(stores, named(Report.SCORE, None)).rows


@pytest.mark.parametrize("format_", [Format.CSV, Format.PARQUET])
def test_a_report_fails_if_its_names_cannot_be_read(format_: Format, stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    (tmp_path / "names.csv").unlink()
    spec = named(Report.RESPONSE, None, format_)
    for allow_partial in (False, True):
        with pytest.raises(BadNames, match=r"names\.csv' cannot be read: No such file"):
            write_exhaust(stores, spec, allow_partial=allow_partial)
    assert not [path for path in Path(stores.exhausts.path("")).rglob("*") if path.is_file()]


def test_names_need_a_source(stores: Stores) -> None:
    keep(stores.hot, [version()])
    for naming in (Naming.TITLES, Naming.LEARNERS):
        with pytest.raises(BadReport, match="needs a source of names; set ASSESS_NAMES, or leave names out"):
            write_exhaust(stores, named(Report.SCORE, naming))
    assert write_exhaust(stores, named(Report.SCORE, Naming.NONE)).rows == 1


def test_a_column_of_names_that_is_not_asked_for_is_explained(stores: Stores, tmp_path: Path) -> None:
    stores = with_names(stores, tmp_path)
    with pytest.raises(BadReport, match=r"has no column 'user_name'.*; with names: learners also user_name"):
        write_exhaust(stores, named(Report.SCORE, Naming.TITLES, columns=("user_name",)))


def test_a_source_that_answers_for_another_id_adds_no_row(stores: Stores, tmp_path: Path) -> None:
    """The join itself is safe: a source that breaks its contract cannot change the rows."""

    class Wrong:
        source, sha256 = "wrong", None

        def open(self) -> "Wrong":
            return self

        def look_up(self, kind: object, ids: Sequence[str]) -> dict[str, Named]:
            return {id_: Named("name") for id_ in (*ids, "another", "c1 ")}

        def examine(self) -> Any:
            return iter(())

    stores = with_names(stores, tmp_path)
    rows = write_exhaust(stores, named(Report.SCORE, None)).rows
    written = write_exhaust(stores._replace(names=Wrong()), named(Report.SCORE, Naming.LEARNERS))
    assert written.rows == rows
    assert sidecar(written)["names"]["found"]["learner"] == 3


def test_the_digest_of_names_tells_their_parts_apart() -> None:
    digests = set()
    for kind, id_, name in (
        (NameKind.COURSE, "a", Named("b")),
        (NameKind.COURSE, "ab", Named("")),
        (NameKind.COURSE, "a", Named("", "b")),
        (NameKind.BATCH, "a", Named("b")),
    ):
        digest = NamesDigest()
        digest.add(kind, 1, [(id_, name)])
        digests.add(digest.read("", None).sha256)
    assert len(digests) == 4


def test_reports_with_other_names_have_other_files() -> None:
    assert structs.replace(asked("b1", Report.SCORE), names=Naming.TITLES).is_filtered
