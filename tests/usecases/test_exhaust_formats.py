"""Every format of a report has the same cells as the CSV, and depends only on what is stored."""

from pathlib import Path
from typing import Final, NamedTuple

import pytest
from msgspec import structs

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_formats import ROW_FORMATS, Format, Password
from assess_core.domain.report_spec import Report
from assess_core.errors import BadReport
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import Exhaust, write_exhaust
from tests.adapters.test_report_lines import TEXTS, hostile, tiers
from tests.factories import answer, version
from tests.lakes import asked, keep, move, reports, stores_over
from tests.report_files import PASSWORD, as_csv, cells, csv_bytes

UNUSUAL: Final = (
    "भारत की राजधानी",
    "சென்னை 😀",
    "\u200b\ufeffx",
    "_x0041_",
    "_x005F_x0041_",
    "a_x",
    "</t>&amp;",
    "\uffff",
)
PACKED: Final = [Format.CSV_GZ, Format.ZIP]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """An empty hot store in memory, an empty lake."""
    return stores_over(MemoryHot(), tmp_path)


def titled(texts: tuple[str, ...]) -> list[AttemptVersion]:
    """An attempt for each text, with an answer whose title it is."""
    return [
        version(attempt_id=f"t{number:04}", answers=[structs.replace(answer(), title=text)])
        for number, text in enumerate(texts)
    ]


def write(stores: Stores, report: Report, format_: Format, password: str | None = None, **options: object) -> Exhaust:
    return write_exhaust(
        stores, asked("b1", report, format_, **options), password=Password(password) if password else None
    )


class Plain(NamedTuple):
    """A report of stores as CSV."""

    report: Report
    stores: Stores
    csv: Exhaust


@pytest.fixture(
    scope="module",
    params=[Report.RESPONSE, Report.SCORE],
)
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plain:
    """The CSV file that the other formats of a report are compared with."""
    report = request.param
    stores = stores_over(MemoryHot(), tmp_path_factory.mktemp("plain"))
    tiers(stores, "both", [*hostile(300), *titled((*TEXTS, *UNUSUAL))])
    return Plain(report, stores, write(stores, report, Format.CSV))


@pytest.mark.xdist_group("cells of formats")  # one worker writes the CSV files, once
@pytest.mark.parametrize("format_", [format_ for format_ in ROW_FORMATS if format_ is not Format.CSV])
def test_a_file_has_the_cells_of_the_csv_file(format_: Format, plain: Plain) -> None:
    other = write(plain.stores, plain.report, format_)

    expected, found = cells(Path(plain.csv.path), Format.CSV), cells(Path(other.path), format_)
    assert other.rows == plain.csv.rows == len(expected) - 1
    assert found[0] == expected[0]
    numbers = {
        number
        for number, name in enumerate(map(str, expected[0]))
        if name.split("_")[-1] in ("score", "answers", "versions") or name.endswith((" Score", "Duration"))
    }
    for row, (was, now) in enumerate(zip(as_csv(expected)[1:], as_csv(found)[1:], strict=True)):
        for column, (text, other_text) in enumerate(zip(was, now, strict=True)):
            same = float(text) == float(other_text) if column in numbers and text else text == other_text
            assert same, (row, expected[0][column], text, other_text)


@pytest.mark.parametrize("spreadsheet", [False, True])
@pytest.mark.parametrize("format_", PACKED)
def test_a_compressed_file_contains_the_bytes_of_the_csv_file(
    format_: Format, spreadsheet: bool, stores: Stores
) -> None:
    keep(stores.hot, hostile(50))

    plain = write(stores, Report.RESPONSE, Format.CSV, spreadsheet=spreadsheet)
    packed = write(stores, Report.RESPONSE, format_, spreadsheet=spreadsheet)

    assert csv_bytes(Path(packed.path), format_) == Path(plain.path).read_bytes()


def test_an_encrypted_zip_file_opens_with_its_password_only(stores: Stores) -> None:
    keep(stores.hot, titled(UNUSUAL))

    plain = write(stores, Report.RESPONSE, Format.CSV)
    path = Path(write(stores, Report.RESPONSE, Format.ZIP, PASSWORD).path)

    assert csv_bytes(path, Format.ZIP, PASSWORD) == Path(plain.path).read_bytes()
    with pytest.raises(RuntimeError, match="Bad password"):
        csv_bytes(path, Format.ZIP, "wrong horse 4242")
    assert b"capital" not in path.read_bytes()
    assert b"AE" in path.read_bytes()  # WinZip's AES, and not the weak encryption of old zip files


@pytest.mark.long
@pytest.mark.parametrize("report", [Report.RESPONSE, Report.SCORE])
@pytest.mark.parametrize("format_", ROW_FORMATS)
def test_the_bytes_are_the_same_twice_and_after_archive_and_clear(
    format_: Format, report: Report, stores: Stores
) -> None:
    rows = hostile(120)
    keep(stores.hot, rows)
    first, second = (Path(write(stores, report, format_).path).read_bytes() for _ in range(2))
    move(stores.hot, stores.lake, rows)
    third = Path(write(stores, report, format_).path).read_bytes()

    assert first == second
    assert first == third


@pytest.mark.parametrize("format_", ROW_FORMATS)
def test_a_report_without_attempts_can_be_opened(format_: Format, stores: Stores) -> None:
    keep(stores.hot, [version()])

    written = write(stores, Report.SCORE, format_, course="another")

    rows = cells(Path(written.path), format_)
    assert len(rows) == (0 if format_ is Format.JSONL else 1)  # a JSON line is a row, and there is no header


# --- Excel ---


def test_no_text_of_a_workbook_is_a_formula_or_a_number(stores: Stores) -> None:
    import openpyxl

    texts = ("=1+1", "+1", "-1", "@SUM(A1)", "0123", "12e5", "0130929928739635202", " =1", "\t=1")
    keep(stores.hot, titled(texts))

    sheet = openpyxl.load_workbook(write(stores, Report.RESPONSE, Format.XLSX).path).worksheets[0]

    column = [row[0] for row in sheet.iter_rows(min_row=2, min_col=12, max_col=12)]
    assert [(cell.value, cell.data_type, cell.quotePrefix) for cell in column] == [(text, "s", True) for text in texts]


@pytest.mark.parametrize("text", ["x" * 32_767, "é" * 32_767, "😀" * 16_383])
def test_a_cell_of_a_workbook_has_up_to_32767_characters(text: str, stores: Stores) -> None:
    keep(stores.hot, titled((text,)))

    assert cells(Path(write(stores, Report.RESPONSE, Format.XLSX).path), Format.XLSX)[1][11] == text


@pytest.mark.parametrize("text", ["x" * 32_768, "😀" * 16_384])
@pytest.mark.parametrize("columns", [(), ("User UUID", "Question Title")])
def test_a_longer_text_is_not_cut_and_the_report_is_refused(
    text: str, columns: tuple[str, ...], stores: Stores
) -> None:
    keep(stores.hot, titled(("short", text)))

    with pytest.raises(BadReport, match=r"column Question Title has one of 32768 characters.*32,767; use csv"):
        write(stores, Report.RESPONSE, Format.XLSX, columns=columns)
    assert not list(reports(stores).rglob("*.*"))


@pytest.mark.parametrize("report", [Report.RESPONSE, Report.SCORE])
def test_more_rows_than_a_sheet_can_hold_are_refused(
    report: Report, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assess_core.adapters.duckdb.reports.writing.MOST_SHEET_ROWS", 4)
    keep(stores.hot, titled(("a", "b", "c")))
    assert write(stores, report, Format.XLSX).rows == 3
    keep(stores.hot, titled(("a", "b", "c", "d")))

    with pytest.raises(BadReport, match=r"an Excel sheet can hold 3 rows and this report has more; use parquet or csv"):
        write(stores, report, Format.XLSX)


# --- passwords ---


@pytest.mark.parametrize("text", ["", "short 42", "a" * 18, "pässword 12345", "tab\tin password 1", "x1y2z3" * 22])
def test_a_weak_or_unusual_password_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(BadReport) as refused:
        Password(text)

    assert not text or text not in str(refused.value)


def test_a_password_is_not_shown() -> None:
    assert PASSWORD not in f"{Password(PASSWORD)!r} {Password(PASSWORD)}"


def test_a_password_for_another_format_is_refused(stores: Stores) -> None:
    keep(stores.hot, [version()])

    with pytest.raises(BadReport, match="it is for format zip; leave it out, or write format zip"):
        write(stores, Report.SCORE, Format.CSV, PASSWORD)
    assert not list(reports(stores).rglob("*.*"))
