"""`assess exhaust` writes each format, reads a password from a file or the terminal, and marks a partial report."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assess_cli import main
from assess_core.domain.report_formats import ROW_FORMATS, Format
from assess_core.ports.stores import Stores
from tests.factories import version
from tests.lakes import keep, put, reports
from tests.report_files import PASSWORD, cells, csv_bytes


@pytest.fixture
def loaded(stores: Stores) -> Stores:
    keep(stores.hot, [version(), version(attempt_id="t2", answers=[])])
    return stores


def assess(stores: Stores, *arguments: str, typed: str | None = None) -> Result:
    home = str(reports(stores).parent)
    return CliRunner().invoke(main, ["--home", home, "exhaust", "b1", "--report", "score", *arguments], input=typed)


@pytest.mark.parametrize("format_", ROW_FORMATS)
def test_the_ending_of_the_output_selects_the_format(format_: Format, loaded: Stores, tmp_path: Path) -> None:
    output = tmp_path / f"scores.{format_}"

    assert assess(loaded, "--output", str(output)).exit_code == 0

    assert len(cells(output, format_)) == 3
    assert json.loads(Path(f"{output}.json").read_text())["spec"]["format"] == format_


def test_the_paths_of_pictures_are_printed_below_that_of_the_report(loaded: Stores, tmp_path: Path) -> None:
    output = str(tmp_path / "scores.csv")

    done = assess(loaded, "--output", output, "--picture", "svg")
    as_json = assess(loaded, "--output", output, "--picture", "svg", "--json")

    pictures = [f"{output}.{kind}.svg" for kind in ("activity", "scores", "questions")]
    assert done.stdout.splitlines() == [output, *pictures]
    assert json.loads(as_json.stdout)["pictures"] == pictures
    refused = assess(loaded, "--output", "-", "--picture", "svg")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "pictures: standard output has no place beside it; name a file" in refused.stderr


def test_the_password_comes_from_the_first_line_of_a_file(loaded: Stores, tmp_path: Path) -> None:
    output, secret = tmp_path / "scores.zip", tmp_path / "password"
    secret.write_text(f"{PASSWORD}\nanother line\n")

    done = assess(loaded, "--output", str(output), "--password-file", str(secret), "--json")

    assert done.exit_code == 0
    assert csv_bytes(output, Format.ZIP, PASSWORD).startswith(b"batch_id,")
    assert PASSWORD not in done.output
    assert PASSWORD not in Path(f"{output}.json").read_text()


def test_the_terminal_asks_for_the_password_twice_and_does_not_show_it(loaded: Stores, tmp_path: Path) -> None:
    output = tmp_path / "scores.zip"

    done = assess(loaded, "--output", str(output), "--ask-password", typed=f"{PASSWORD}\n{PASSWORD}\n")

    assert done.exit_code == 0
    assert csv_bytes(output, Format.ZIP, PASSWORD).startswith(b"batch_id,")
    assert PASSWORD not in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "zip"], "password: it is too weak; use at least 12 characters, 6 of them different"),
        (["--format", "csv"], "password: it is too weak"),
        (["--format", "zip", "--ask-password"], "exclude each other"),
        (
            ["--format", "xlsx", "--spreadsheet"],
            "spreadsheet: it is for CSV; leave it out, or use format csv, csv.gz, zip",
        ),
        (["--sunbird"], "sunbird: it is for the report response"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: list[str], message: str, loaded: Stores, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("short")

    done = assess(loaded, *options, "--password-file", str(tmp_path / "password"))

    assert done.exit_code == 2
    assert message in done.stderr
    assert not reports(loaded).exists()


def test_a_partial_report_has_another_name_and_exit_code(loaded: Stores) -> None:
    put(loaded.lake, [version(attempt_id="t3")])
    lost = Path(loaded.lake.pin().files()[0].url)
    lost.write_bytes(lost.read_bytes()[:-50])

    refused, done = assess(loaded), assess(loaded, "--allow-partial", "--json")

    assert refused.exit_code == 1
    assert lost.name in refused.stderr
    written = json.loads(done.stdout)
    assert (done.exit_code, written["complete"], written["rows"]) == (6, False, 2)
    assert written["path"].endswith("b1.partial.csv")
    assert done.stderr.startswith("partial report: the lake's file ")
