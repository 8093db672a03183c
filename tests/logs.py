"""Log files for tests, and the records in them."""

import gzip
from pathlib import Path

import pytest

from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import read_files
from assess_core.domain.events import Record
from assess_core.errors import BadLog
from assess_core.ports.log import LogBatch


def ignore(message: str) -> None:
    """For tests that do not check messages."""


def batches(*paths: Path | str) -> list[LogBatch]:
    return list(read_files(find(map(str, paths), ignore), ignore))


def records(*paths: Path | str) -> list[Record]:
    return [record for batch in batches(*paths) for record in batch.records]


def raws(*paths: Path | str) -> list[bytes]:
    return [record.raw for record in records(*paths)]


def ends(batch: LogBatch) -> dict[str, tuple[int, int]]:
    return {topic: (position.line, position.byte) for topic, position in batch.ends.items()}


def heard(*paths: Path | str) -> list[str]:
    """The messages while these paths are read."""
    messages: list[str] = []
    list(read_files(find(map(str, paths), messages.append), messages.append))
    return messages


def put(path: Path, text: bytes) -> Path:
    path.write_bytes(gzip.compress(text, compresslevel=1) if path.suffix == ".gz" else text)
    return path


def refusal(*paths: Path | str) -> str:
    with pytest.raises(BadLog) as error:
        batches(*paths)
    return str(error.value)
