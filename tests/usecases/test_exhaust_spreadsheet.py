"""A report for a spreadsheet program: every script is readable, no formula runs, no id becomes a number."""

import csv
from pathlib import Path

import pytest
from msgspec import structs

from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import TABLES, Report
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from tests.factories import answer, version
from tests.lakes import asked, keep

BATCH = "0130929928739635202"


def rows(stores: Stores, report: Report, *, spreadsheet: bool) -> list[dict[str, str]]:
    """The rows of a report. A byte order mark becomes part of the first column name."""
    written = write_exhaust(stores, asked(BATCH, report, Format.CSV, spreadsheet=spreadsheet))
    return list(csv.DictReader(Path(written.path).read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("report", TABLES)
def test_only_the_report_for_spreadsheets_begins_with_a_byte_order_mark(stores: Stores, report: Report) -> None:
    keep(stores.hot, [version(batch_id=BATCH)])
    for spreadsheet in (True, False):
        written = write_exhaust(stores, asked(BATCH, report, spreadsheet=spreadsheet))
        assert Path(written.path).read_bytes().startswith(b"\xef\xbb\xbf") is spreadsheet


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "0123", "0130929928739635202", "12e5"])
def test_a_text_that_a_spreadsheet_would_run_or_change_begins_with_an_apostrophe(stores: Stores, text: str) -> None:
    keep(stores.hot, [version(batch_id=BATCH, answers=[structs.replace(answer(), title=text)])])

    [safe] = rows(stores, Report.RESPONSE, spreadsheet=True)
    [plain] = rows(stores, Report.RESPONSE, spreadsheet=False)

    assert (safe["Question Title"], plain["Question Title"]) == (f"'{text}", text)


@pytest.mark.parametrize("text", ["Dispur", "भारत", "2/3 + 1/3 = ?", "12345", "12ef", "a=b", ""])
def test_other_texts_are_not_changed(stores: Stores, text: str) -> None:
    keep(stores.hot, [version(batch_id=BATCH, answers=[structs.replace(answer(), title=text)])])

    [safe] = rows(stores, Report.RESPONSE, spreadsheet=True)

    assert safe["Question Title"] == text


def test_the_rows_have_the_same_order_as_in_the_plain_report(stores: Stores) -> None:
    keep(stores.hot, [version(batch_id=BATCH, user_id=f"u{n * 7919 % 5000}") for n in range(5000)])

    for report, name in ((Report.RESPONSE, "User UUID"), (Report.SCORE, "user_id")):
        safe, plain = (rows(stores, report, spreadsheet=spreadsheet) for spreadsheet in (True, False))
        assert [row[name] for row in safe] == [row[name] for row in plain]


def test_a_batch_id_of_digits_stays_text_and_numbers_stay_numbers(stores: Stores) -> None:
    keep(stores.hot, [version(batch_id=BATCH)])

    [row] = rows(stores, Report.SCORE, spreadsheet=True)

    assert row["\ufeffbatch_id"] == f"'{BATCH}"
    float(row["total_score"])
