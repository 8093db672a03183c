"""Follows the log files of a folder as they grow and change."""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from assess_core.adapters.files.log_files import Kind, LogFile, ignored_text, in_folder, is_missing
from assess_core.adapters.files.log_lines import START, Line, in_batches, read_lines
from assess_core.errors import BadLog
from assess_core.ports.log import LogBatch, Notify, Position


class Tail:
    """Follows the log files of a folder from the positions up to which they were folded.

    Lines are appended to a `.jsonl` file; an unfinished last line waits. Any other file is read after two checks found
    it unchanged. If the proof of a position does not hold, the file was truncated, replaced or rewritten. It is then
    read again from its start; a replay changes nothing. Each of the `workers` reads the files whose topics hash to it.
    """

    def __init__(
        self, folder: Path, positions: Mapping[str, Position], notify: Notify, worker: int = 0, workers: int = 1
    ) -> None:
        self._folder = folder
        self._positions = dict(positions)
        self._share = (worker, workers)
        self._notify = notify
        self._notified: set[str] = set()
        self._seen: dict[str, LogFile] = {}
        self._read: dict[str, LogFile] = {}

    def batches(self) -> Iterator[LogBatch]:
        """All lines that are not read yet. Raises `BadLog` if the folder cannot be read."""
        for batch in in_batches(self._lines()):
            self._positions.update(batch.ends)
            yield batch

    def _lines(self) -> Iterator[Line]:
        for file in self._files():
            topic, before = file.topic, self._seen.get(file.topic)
            self._seen[topic] = file
            if not self._is_due(file, before):
                continue
            self._read[topic] = file
            try:
                yield from read_lines(file, self._positions.get(topic, START), following=True)
            except BadLog as error:
                self._notify_once(f"{error}; until then its lines count as unread")

    def _files(self) -> list[LogFile]:
        if is_missing(self._folder):
            self._notify_once(f"waiting for the folder {str(self._folder)!r} (ASSESS_LOG)")
            return []
        worker, workers = self._share
        found = in_folder(str(self._folder))
        if found.ignored:
            self._notify_once(ignored_text(str(self._folder), found.ignored))
        return [file for file in found.files if zlib.crc32(file.topic.encode()) % workers == worker]

    def _is_due(self, file: LogFile, before: LogFile | None) -> bool:
        """Whether there may be something to read: the file changed, and is complete if it is written as a whole."""
        return self._read.get(file.topic) != file and (file.kind is Kind.LINES or file == before)

    def _notify_once(self, text: str) -> None:
        if text not in self._notified:
            self._notified.add(text)
            self._notify(text)
