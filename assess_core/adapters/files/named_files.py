"""The event files that are named on the command line of `assess ingest`."""

from collections.abc import Iterable, Iterator

from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import read_files
from assess_core.ports.log import LogBatch, Notify


class NamedFiles:
    """A `ports.EventFiles`. Raises `BadLog` if a path is missing, cannot be read, or is not a log file."""

    def __init__(self, paths: Iterable[str], notify: Notify) -> None:
        self._files = find(paths, notify)
        self._notify = notify

    @property
    def size(self) -> int:
        return sum(file.size for file in self._files)

    def batches(self, worker: int = 0, workers: int = 1) -> Iterator[LogBatch]:
        return read_files(self._files[worker::workers], self._notify)
