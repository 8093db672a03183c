"""Reads rows into temporary files, in parts if the memory is too small for all of them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import duckdb

from assess_core.adapters.duckdb.connection import release_memory

_PARTS: Final = 16
"""The parts of a report that is too large for the memory. The files are read once for each part."""
_JOINS_AS_WRITTEN: Final = "SET disabled_optimizers = 'join_order,build_side_probe_side'"
"""DuckDB holds the right side of a join in memory. If it chose the sides, it could hold the answers of all attempts."""
_Result = TypeVar("_Result")


def spill(duck: duckdb.DuckDBPyConnection, write: Callable[[Path, int], _Result], folder: Path) -> _Result:
    """Call `write` with a new folder below `folder`, and with the number of parts in which it should read the rows.

    If the memory is too small, one thread of DuckDB reads them; if that fails too, part by part, which reads the files
    again and again. What follows gets the memory of DuckDB.
    """
    duck.execute(_JOINS_AS_WRITTEN)
    result = _within_memory(duck, write, folder)
    release_memory(duck)
    return result


def _within_memory(duck: duckdb.DuckDBPyConnection, write: Callable[[Path, int], _Result], folder: Path) -> _Result:
    try:
        return _written(write, folder / "whole", 1)
    except duckdb.OutOfMemoryException:
        duck.execute("SET threads = 1")
    try:
        return _written(write, folder / "alone", 1)
    except duckdb.OutOfMemoryException:
        return _written(write, folder / "parts", _PARTS)


def _written(write: Callable[[Path, int], _Result], folder: Path, parts: int) -> _Result:
    folder.mkdir()
    try:
        return write(folder, parts)
    except duckdb.OutOfMemoryException:
        shutil.rmtree(folder)
        raise
