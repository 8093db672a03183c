"""An external sort of keys: Cassandra returns partitions in the order of their hashes."""

import heapq
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, Any, Final

import msgspec

_RUN: Final = 500_000  # keys sorted in memory at once: about 100 MB

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def in_order(keys: Iterable[tuple[Any, ...]], run: int = _RUN) -> Iterator[tuple[Any, ...]]:
    """The keys (tuples of text), sorted. All runs but the last are in temporary files."""
    rest = iter(keys)
    with ExitStack() as open_files:
        runs: list[Iterator[tuple[Any, ...]]] = []
        while len(some := sorted(islice(rest, run))) == run:
            file = open_files.enter_context(TemporaryFile())
            file.writelines(_encode(key) + b"\n" for key in some)
            file.seek(0)
            runs.append(_read_run(file))
        yield from heapq.merge(*runs, some)


def _read_run(file: IO[bytes]) -> Iterator[tuple[Any, ...]]:
    for line in file:
        yield tuple(_decode(line))
