"""LibreOffice and 7-Zip open reports, and show the cells that Python and DuckDB read.

If a program is not installed, its tests are skipped, and the end of the run names it.
"""

import csv
import io
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import duckdb
import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report
from assess_core.ports.stores import Stores
from tests.adapters.test_report_lines import TEXTS, hostile, tiers
from tests.lakes import stores_over
from tests.report_files import PASSWORD, as_csv, cells, csv_bytes
from tests.usecases.test_exhaust_formats import UNUSUAL, titled, write

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("other programs")]

_SECONDS: Final = 240  # LibreOffice makes a profile first; on a busy machine that alone takes 20 s
_WRITTEN: Final = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,false"
"""Comma, quote, UTF-8; all texts quoted, numbers with 15 digits and not as they are shown."""
_AS_TEXT: Final = "--infilter=Text - txt - csv (StarCalc):44,34,76,1," + "/".join(f"{n}/2" for n in range(1, 31))
"""Every column is text, as people choose it in the dialogue of the import."""
_AS_OFFERED: Final = "--infilter=Text - txt - csv (StarCalc):44,34,76,1,,0,false,true"
"""The import without a change: LibreOffice decides what is a number."""

_LARGEST: Final = sys.float_info.max


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    stores = stores_over(MemoryHot(), tmp_path)
    tiers(stores, "both", [*hostile(100), *titled((*TEXTS, *UNUSUAL))])
    return stores


def program(*names: str) -> str:
    """The path of a program; skips the test if none of its names is installed."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed: apt-get install libreoffice-calc-nogui 7zip")
    return found


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the settings of LibreOffice, so that those of the user do not count."""
    return tmp_path_factory.mktemp("libreoffice")


def by_libreoffice(report: str, profile: Path, *options: str) -> list[list[str]]:
    """The cells of a file as LibreOffice understands it."""
    folder = Path(report).parent / "converted"
    command = [program("soffice"), f"-env:UserInstallation=file://{profile}", "--headless", *options]
    command += ["--convert-to", _WRITTEN, "--outdir", str(folder), report]
    subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
    [written] = folder.iterdir()
    return list(csv.reader(io.StringIO(written.read_text(encoding="utf-8"), newline="")))


def same(ours: str, theirs: str, precision: float) -> bool:
    """Whether a cell is the same, as far as LibreOffice can show it.

    It has no zero bytes, ends lines with `\\n`, and writes moments without `T`. Numbers may differ by `precision`.
    """
    text = re.sub("\r\n?", "\n", ours.replace("\0", ""))
    if theirs in (text, ours.replace("T", " ").removesuffix("Z")):
        return True
    try:
        # the largest numbers are rounded up to infinity
        return math.isclose(float(ours), min(float(theirs), _LARGEST), rel_tol=precision, abs_tol=1e-300)
    except ValueError:
        return False


def different(ours: list[list[str]], theirs: list[list[str]], precision: float = 1e-14) -> list[tuple[str, str, str]]:
    """The column and both texts of cells that differ; the files must have the same number of rows and columns."""
    return [
        (ours[0][column], mine, other)
        for one, two in zip(ours, theirs, strict=True)
        for column, (mine, other) in enumerate(zip(one, two, strict=True))
        if not same(mine, other, precision)
    ]


def test_libreoffice_shows_the_cells_of_a_workbook(stores: Stores, profile: Path) -> None:
    program("soffice")
    written = write(stores, Report.RESPONSE, Format.XLSX)

    assert different(as_csv(cells(Path(written.path), Format.XLSX)), by_libreoffice(written.path, profile)) == []


def test_libreoffice_python_and_duckdb_read_the_same_cells_of_a_csv_file(stores: Stores, profile: Path) -> None:
    program("soffice")
    path = write(stores, Report.RESPONSE, Format.CSV).path
    by_python = as_csv(cells(Path(path), Format.CSV))

    with duckdb.connect() as duck:
        read = duck.execute(
            "SELECT * FROM read_csv(?, all_varchar = true, header = false, quote = '\"', escape = '\"', delim = ',')",
            [path],
        ).fetchall()
    assert as_csv(list(map(list, read))) == by_python
    assert different(by_python, by_libreoffice(path, profile, _AS_TEXT)) == []


def test_libreoffice_runs_no_formula_and_keeps_the_digits_of_ids_in_a_spreadsheet_csv(
    stores: Stores, profile: Path
) -> None:
    program("soffice")
    path = write(stores, Report.RESPONSE, Format.CSV, spreadsheet=True).path
    ours = as_csv(cells(Path(path), Format.CSV))
    ours[0][0] = ours[0][0].removeprefix("\ufeff")

    # numbers are written as they are shown, with two decimals
    assert different(ours, by_libreoffice(path, profile, _AS_OFFERED), 0.01) == []


def test_7_zip_opens_an_encrypted_report_with_its_password_only(stores: Stores, tmp_path: Path) -> None:
    seven_zip = program("7zz", "7z")
    plain = csv_bytes(Path(write(stores, Report.RESPONSE, Format.CSV).path), Format.CSV)
    path = write(stores, Report.RESPONSE, Format.ZIP, PASSWORD).path

    def extract(password: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [seven_zip, "x", "-y", f"-p{password}", f"-o{tmp_path / 'out'}", path], capture_output=True, check=False
        )

    assert extract("another one 42").returncode != 0
    assert extract(PASSWORD).returncode == 0
    [member] = (tmp_path / "out").iterdir()
    assert member.read_bytes() == plain
