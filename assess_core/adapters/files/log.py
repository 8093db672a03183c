"""The embedded log: a folder of files, with its positions in the hot store."""

import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from assess_core.adapters.files.intake import FolderIntake
from assess_core.adapters.files.log_files import ignored_text, in_folder, is_missing
from assess_core.adapters.files.tail import Tail
from assess_core.adapters.files.unread import folded, read_likely, read_log, unread, unread_bytes
from assess_core.domain.events import FailedEvent
from assess_core.domain.slices import Unread
from assess_core.ports.findings import Finding, Level
from assess_core.ports.log import Backlog, LogBatch, Notify, Part, Positions, Retained


class FolderLog:
    """A `ports.Log` in a folder."""

    def __init__(self, folder: Path, positions: Positions) -> None:
        self._folder = folder
        self._positions = positions

    def unread(self) -> Unread | None:
        return unread(self._folder, self._positions)

    def backlog(self) -> list[Backlog]:
        return [Backlog("folder", unread_bytes(self._folder, self._positions), "bytes")]

    def feed(self, notify: Notify, worker: int = 0, workers: int = 1) -> "FolderFeed":
        return FolderFeed(Tail(self._folder, self._positions.positions(), notify, worker, workers), self._positions)

    def retained(self) -> Retained:
        # old files may have been removed, which the folder does not show
        part = Part(cut=True, batches=read_log(self._folder))
        return Retained(folded(self._folder, self._positions), iter([part]))

    def received_at(self, moments: Collection[int]) -> Iterator[LogBatch]:
        return read_likely(self._folder, moments)

    def intake(self) -> FolderIntake:
        return FolderIntake(self._folder, lambda: time.time_ns() // 1_000_000)

    def ignored(self) -> str | None:
        if is_missing(self._folder):
            return None
        # a file with a hidden name is still being written by a tool
        names = [name for name in in_folder(str(self._folder)).ignored if not name.startswith(".")]
        return ignored_text(str(self._folder), names) if names else None

    def examine(self) -> Iterator[Finding]:
        waiting = self.unread()
        if waiting:
            yield Finding(Level.WARN, "log", f"{self._folder} has unread lines: {waiting.what}", "assess up")
        else:
            yield Finding(Level.OK, "log", f"{self._folder} has no unread lines")
        if ignored := self.ignored():
            yield Finding(Level.WARN, "log files", ignored, "rename them, or move them to another folder")


class FolderFeed:
    """A `ports.Feed` of files; failed events are only in the hot store."""

    def __init__(self, tail: Tail, positions: Positions) -> None:
        self._tail = tail
        self._positions = positions

    def batches(self) -> Iterator[LogBatch]:
        return self._tail.batches()

    def done(self, batch: LogBatch, failed: Sequence[FailedEvent]) -> None:
        self._positions.commit(batch.ends)

    def heartbeat(self) -> None:
        return

    def close(self) -> None:
        return
