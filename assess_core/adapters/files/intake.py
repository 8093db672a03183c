"""Writes to the log folder: one thread appends lines, with one fsync for all waiting lines.

Each process writes its own files, `api-MOMENT-PROCESS-NUMBER.jsonl`, and no other process appends to them. A line is
acknowledged when it, its file and the folder's entry are on the disk. A killed process can leave an unfinished
line, which was never acknowledged. The next process cuts it off, because it would stay unread forever.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from assess_core.errors import Overloaded, StoreUnavailable
from assess_core.ports.log import Message
from assess_core.retrying import retrying

MOST_WAITING: Final = 32 * 1024 * 1024
"""Bytes that may wait for the disk; more are refused immediately."""
ROTATE_AT: Final = 64 * 1024 * 1024  # a folded file may be deleted, but not while it is written to
_PREFIX: Final = "api-"
_CHUNK: Final = 64 * 1024
_LOCKED_SECONDS: Final = 5.0


class _Group(NamedTuple):
    """The messages of one call, written as lines."""

    lines: list[bytes]
    size: int
    done: "Future[None]"


class FolderIntake:
    """A `ports.Intake` into a folder of JSON lines. `now` gives epoch ms; receipts of a process never decrease."""

    def __init__(self, folder: Path, now: Callable[[], int], rotate_at: int = ROTATE_AT) -> None:
        self._folder = folder
        self._now = now
        self._rotate_at = rotate_at
        self._received_at = 0
        self._file: _File | None = None
        self._waiting: list[_Group] = []
        self._waiting_bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        _cut_unfinished_lines(folder)
        self._writer = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._writer.start()

    def append(self, messages: Sequence[Message]) -> "Future[None]":
        # one line per event: JSON has line feeds only between tokens, where a space means the same
        lines = [b', "value": %b}\n' % message.value.replace(b"\n", b" ") for message in messages]
        group = _Group(lines, sum(map(len, lines)), Future())
        group.done.set_running_or_notify_cancel()  # an accepted message cannot be cancelled
        with self._wake:
            if self._closing:
                raise StoreUnavailable("this server is shutting down; send it again to another server")
            if self._waiting_bytes + group.size > MOST_WAITING:
                raise Overloaded(
                    "the queue in front of the log is full, and no event of this request was accepted; "
                    "send it again in some seconds"
                )
            self._waiting.append(group)
            self._waiting_bytes += group.size
            self._wake.notify()
        return group.done

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._writer.join()

    def _run(self) -> None:
        while groups := self._next_groups():
            failure = self._failure(groups)
            for group in groups:
                if failure is None:
                    group.done.set_result(None)
                else:
                    group.done.set_exception(failure)
        if self._file is not None:
            self._file.close()

    def _failure(self, groups: Sequence[_Group]) -> StoreUnavailable | None:
        """Write the lines. Returns the error if they are not known to be in the log, otherwise None."""
        try:
            self._write(groups)
        except OSError as error:
            failure = StoreUnavailable(
                f"the log folder {str(self._folder)!r} cannot be written to ({error.strerror or error}): free space "
                "or check its permissions, then send the events again"
            )
        except Exception as error:  # noqa: BLE001 without this thread no event would be accepted any more
            self._abandon()
            failure = StoreUnavailable(
                f"writing to the log folder {str(self._folder)!r} failed ({type(error).__name__}: {error}); send the "
                "events again, and restart the server if it fails again"
            )
        else:
            return None
        return failure

    def _next_groups(self) -> list[_Group]:
        """All waiting groups; empty when the intake is closed."""
        with self._wake:
            self._wake.wait_for(lambda: self._waiting or self._closing)
            groups, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return groups

    def _write(self, groups: Sequence[_Group]) -> None:
        self._received_at = max(self._received_at, self._now())
        receipt = b'{"receivedAt": %d' % self._received_at
        text = b"".join(receipt + line for group in groups for line in group.lines)
        file = self._current()
        try:
            while not file.append(text):
                self._close_file(file)  # the file was deleted meanwhile: write the lines to another one
                file = self._current()
        except OSError:
            if not file.whole:
                self._close_file(file)
            raise
        if file.size >= self._rotate_at:
            self._close_file(file)

    def _current(self) -> "_File":
        if self._file is None:
            _cut_unfinished_lines(self._folder)
            # `unread` relies on this: no line of a file has an earlier receipt than the file's name
            self._file = _File(self._folder, self._received_at)
        return self._file

    def _abandon(self) -> None:
        """Begin another file, because it is unknown what was written to this one."""
        if self._file is not None:
            with suppress(OSError):
                self._close_file(self._file)

    def _close_file(self, file: "_File") -> None:
        self._file = None
        file.close()


class _File:
    """A log file of this process, locked while it is written to."""

    def __init__(self, folder: Path, received_at: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # answers of learners are personal data
        self._path, self._fd = _create(folder, f"{_PREFIX}{received_at}-{os.getpid()}")
        self.size = 0
        self.whole = True
        """Whether the file ends with a line end, and all acknowledged lines are on the disk."""
        try:
            _lock(self._fd)
            _sync_folder(folder)
        except OSError:
            self.close()
            raise

    def append(self, text: bytes) -> bool:
        """Write lines and wait for the disk; False if the file was deleted.

        After an `OSError`, whole lines stay, because a reader may have seen them; a partial line is cut off.
        """
        written = 0
        try:
            with memoryview(text) as view:
                while written < len(text):
                    written += os.write(self._fd, view[written:])
        except OSError:
            self.whole = False
            lines = text.rfind(b"\n", 0, written) + 1
            os.ftruncate(self._fd, self.size + lines)
            self.size += lines
            self.whole = True
            raise
        self.whole = False  # after a failed fsync, the content of the disk is unknown
        os.fdatasync(self._fd)
        self.size += written
        self.whole = True
        return os.fstat(self._fd).st_nlink > 0

    def close(self) -> None:
        """Stop writing; a file without an acknowledged line is deleted."""
        if not self.size:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)


def _create(folder: Path, name: str) -> tuple[Path, int]:
    number = 0
    while True:
        path = folder / f"{name}-{number}.jsonl"
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            number += 1


def _lock(fd: int) -> None:
    """Lock the file. Retries while a starting process locks it for some ms to check its last line. Raises `OSError`."""
    retrying(_is_locked, deadline_seconds=_LOCKED_SECONDS, first_wait=0.001, longest_wait=0.05)(
        fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB
    )


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, BlockingIOError)


def _sync_folder(folder: Path) -> None:
    found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(found)
    finally:
        os.close(found)


def _cut_unfinished_lines(folder: Path) -> None:
    """Cut off the unfinished last lines of processes that have ended."""
    for path in folder.glob(f"{_PREFIX}*.jsonl"):
        try:
            with path.open("r+b") as file:
                # fails if a process still writes to the file
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                size = file.seek(0, os.SEEK_END)
                whole = _whole_lines(file.fileno(), size)
                if whole < size:
                    file.truncate(whole)
                    os.fsync(file)
        except OSError:
            continue  # locked, deleted or not writable: `assess doctor` reports a line that stays unfinished


def _whole_lines(fd: int, size: int) -> int:
    """The number of bytes of a file that are whole lines."""
    end = size
    while end:
        start = max(0, end - _CHUNK)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
