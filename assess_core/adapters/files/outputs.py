"""The output of a single report, which `--output` names: a file, a pipe, a device or standard output."""

import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Final

from assess_core.adapters.files.atomic_write import atomic_write, translated
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.domain.report_formats import Format, format_of_name, partial_name
from assess_core.errors import BadSettings, ReportFailed

STDOUT: Final = "-"
_OTHER: Final = (".gz", ".zst", ".bz2", ".xz", ".7z", ".xls", ".xlsm", ".ods", ".json", ".ndjson")
"""Endings of formats that look like those of reports."""
_READER_SECONDS: Final = 10.0
"""How long a report waits for a program that opens its pipe."""


def open_output(text: str, format_: Format | None) -> "FileOutput | StreamOutput":
    """The output that `--output` names. Raises `BadSettings`, `ReportFailed`."""
    if "://" in text:
        raise BadSettings(
            f"--output: {text!r} is a URL, and only a file, a pipe or - can be written; "
            "for a bucket set ASSESS_EXHAUSTS to s3://BUCKET/PREFIX and leave --output out"
        )
    if text == STDOUT:
        return StreamOutput("standard output", None)
    _require_ending(text, format_)
    path = Path(os.path.realpath(text))  # a link is kept, and its target is written
    with translated(Path(text)):
        mode = _mode_of(path)
    if mode is None and not path.parent.is_dir():
        raise ReportFailed(f"--output: the folder {str(path.parent)!r} does not exist; make it, or name another one")
    if mode is not None and stat.S_ISDIR(mode):
        raise ReportFailed(f"--output: {text!r} is a folder; name a file in it")
    return FileOutput(path, mode) if mode is None or stat.S_ISREG(mode) else StreamOutput(text, path)


def _require_ending(text: str, format_: Format | None) -> None:
    named = format_of_name(text)
    if named is None and text.lower().endswith(_OTHER):
        raise BadSettings(
            f"--output: {text!r} has the ending of a format that reports do not have; use {', '.join(Format)}"
        )
    if named is not None and format_ is not None and named is not format_:
        raise BadSettings(f"--output: {text!r} ends in .{named} and --format is {format_}; change one of them")


def _mode_of(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


class FileOutput:
    """A regular file: it appears complete or not at all. An existing file keeps its mode; a new one gets 0600."""

    def __init__(self, path: Path, mode: int | None) -> None:
        self.path = str(path)
        self._mode = mode

    def write(self) -> AbstractContextManager[Path]:
        """A temporary file, which replaces the file at the end of the block."""
        return atomic_write(Path(self.path), self._mode)

    def withdraw(self) -> None:
        """See `ReportOutput.withdraw`."""
        with translated(Path(self.path)):
            Path(self.path).unlink(missing_ok=True)

    def beside(self, ending: str) -> "FileOutput":
        """A file beside this one, with the same mode."""
        return FileOutput(Path(self.path + ending), self._mode)

    def partial(self) -> "FileOutput":
        """A file beside this one."""
        path = Path(self.path)
        return FileOutput(path.with_name(partial_name(path.name)), self._mode)


class StreamOutput:
    """A pipe, a device or standard output: the finished report is copied into it."""

    def __init__(self, path: str, special: Path | None) -> None:
        self.path = path
        self._special = special

    @contextmanager
    def write(self) -> Iterator[Path]:
        """A temporary file, which is copied at the end of the block."""
        with temporary_folder("assess-exhaust-") as folder, translated(Path(self.path)):
            report_file = Path(folder) / "report"
            report_file.touch()
            yield report_file
            with report_file.open("rb") as report, self._opened() as target:
                shutil.copyfileobj(report, target)
                target.flush()

    def withdraw(self) -> None:
        """What a pipe's reader has got stays there."""

    def beside(self, ending: str) -> None:
        """There is no place beside a pipe."""

    def partial(self) -> "StreamOutput":
        """Raises `ReportFailed`: a pipe has no name that could say that the report is not complete."""
        raise ReportFailed(f"{self.path} cannot say that the report is not complete; name a file with --output")

    def _opened(self) -> AbstractContextManager[IO[bytes]]:
        if self._special is None:
            return nullcontext(sys.stdout.buffer)
        descriptor = _open_for_writing(self._special)
        os.set_blocking(descriptor, True)
        return open(descriptor, "wb")


class MemoryOutput:
    """The bytes of one report, for a client that waits. An incomplete report is refused."""

    path = "the answer"

    def __init__(self) -> None:
        self.content = b""

    @contextmanager
    def write(self) -> Iterator[Path]:
        """A temporary file, whose bytes become `content` at the end of the block."""
        with temporary_folder("assess-exhaust-") as folder, translated(Path(folder)):
            report_file = Path(folder) / "report"
            yield report_file
            self.content = report_file.read_bytes()

    def withdraw(self) -> None:
        """Forget the bytes."""
        self.content = b""

    def beside(self, ending: str) -> None:
        """The answer has one part."""

    def partial(self) -> "MemoryOutput":
        """Raises `ReportFailed`: an answer has no name that could say that the report is not complete."""
        raise ReportFailed("an answer cannot say that the report is not complete; write it with assess exhaust")


def _open_for_writing(path: Path) -> int:
    """Open a file; waits for a program that reads a pipe. Raises `ReportFailed` if none does in time."""
    deadline = time.monotonic() + _READER_SECONDS
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > deadline:
                raise ReportFailed(
                    f"--output: no program read the pipe {str(path)!r} for {_READER_SECONDS:.0f} s; start one first"
                ) from error
            time.sleep(0.05)
