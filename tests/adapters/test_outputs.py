"""Targets of `--output`: a file, a link, a pipe, a device or standard output. Other targets are refused."""

import os
import pty
import stat
import sys
import threading
import tty
from pathlib import Path

import pytest

from assess_core.adapters.files import outputs
from assess_core.domain.report_spec import Format
from assess_core.errors import AssessError, BadSettings, ReportFailed
from assess_core.wiring import format_of, open_output

REPORT = b"a,b\n1,2\n"


def write(target: object, format_: Format | None = None) -> str:
    """Write the report to an output, and return the name of the output."""
    output = open_output(str(target), format_)
    with output.write() as temporary:
        temporary.write_bytes(REPORT)
    return output.path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read_a_new_file(tmp_path: Path) -> None:
    assert write(tmp_path / "new.csv") == str(tmp_path / "new.csv")
    assert ((tmp_path / "new.csv").read_bytes(), mode(tmp_path / "new.csv")) == (REPORT, 0o600)


@pytest.mark.parametrize("before", [0o600, 0o640, 0o644])
def test_a_file_that_exists_keeps_its_mode(tmp_path: Path, before: int) -> None:
    (tmp_path / "old.csv").write_text("old")
    (tmp_path / "old.csv").chmod(before)

    write(tmp_path / "old.csv")

    assert ((tmp_path / "old.csv").read_bytes(), mode(tmp_path / "old.csv")) == (REPORT, before)
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed_and_stays_a_link(tmp_path: Path, exists: bool) -> None:
    target, link = tmp_path / "target.csv", tmp_path / "latest.csv"
    if exists:
        target.write_text("old")
    link.symlink_to(target)

    write(link)

    assert link.is_symlink()
    assert target.read_bytes() == REPORT


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    write(pipe)

    reader.join(20)
    assert (read, stat.S_ISFIFO(pipe.stat().st_mode)) == ([REPORT], True)


def test_a_pipe_that_no_program_reads_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_READER_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ReportFailed, match=r"no program read the pipe .*; start one first"):
        write(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_device_gets_the_bytes_and_stays_a_device() -> None:
    terminal, device = pty.openpty()
    tty.setraw(device)  # a terminal would write a carriage return at the end of each line
    with open(terminal, "rb", buffering=0) as read:
        write(os.ttyname(device))

        assert read.read(100) == REPORT
        assert stat.S_ISCHR(Path(os.ttyname(device)).stat().st_mode)
    os.close(device)


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.dup(1), "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        write("-")
    assert capfdbinary.readouterr().out == REPORT


@pytest.mark.parametrize("name", ["/", ".", "..", "folder", "folder/"])
def test_a_folder_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()

    with pytest.raises(ReportFailed, match="is a folder; name a file in it"):
        write(name)


@pytest.mark.parametrize("name", ["no/such/folder/x.csv", "file/x.csv"])
def test_no_folder_is_created(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()

    with pytest.raises(ReportFailed, match=r"does not exist; make it|Not a directory"):
        write(name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("url", ["s3://bucket/x.csv", "https://example.org/x.csv", "file:///tmp/x.csv"])
def test_a_url_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match=r"is a URL.*ASSESS_EXHAUSTS"):
        open_output(url, None)


def test_an_ending_that_does_not_fit_the_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"ends in \.parquet and --format is csv; change one of them"):
        open_output(str(tmp_path / "x.parquet"), Format.CSV)
    open_output(str(tmp_path / "x.txt"), Format.CSV)


@pytest.mark.parametrize("name", ["x.csv.gz", "x.parquet.GZ", "x.zip"])
def test_the_ending_of_a_compressed_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSettings, match=r"reports are not compressed; write --output - \| gzip > FILE"):
        open_output(str(tmp_path / name), None)


def test_the_ending_of_a_file_name_selects_the_format() -> None:
    assert [format_of(name) for name in ("a.parquet", "a.CSV", "a", "-", "csv")] == [
        Format.PARQUET,
        Format.CSV,
        *[None] * 3,
    ]


def test_a_report_that_fails_keeps_the_previous_one(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("the previous report")

    def fail() -> None:
        with open_output(str(tmp_path / "x.csv"), None).write() as temporary:
            temporary.write_bytes(REPORT[:3])
            raise ReportFailed("the lake cannot be read")

    with pytest.raises(AssessError, match="lake"):
        fail()

    assert [path.read_text() for path in tmp_path.iterdir()] == ["the previous report"]
