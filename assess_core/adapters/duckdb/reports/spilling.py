"""Writes the rows of a query to temporary files, in parts if the memory is too small for all of it."""

import shutil
from pathlib import Path
from typing import Final

import duckdb

from assess_core.adapters.duckdb.connection import literal

_PARTS: Final = 16
"""The parts of a report that is too large for the memory. The files are read once for each part."""


def spill(duck: duckdb.DuckDBPyConnection, sql: str, options: str, folder: Path) -> list[Path]:
    """Write the rows below a folder, with these options of COPY; returns the folders that have them.

    The query must have the parameters `$parts` and `$part`, which choose a part of its rows. If the memory is too
    small, one thread writes; if that fails too, part by part, which reads the files again and again.
    """
    try:
        return _in_parts(duck, sql, options, folder / "whole", 1)
    except duckdb.OutOfMemoryException:
        shutil.rmtree(folder / "whole")
        duck.execute("SET threads = 1")
    try:
        return _in_parts(duck, sql, options, folder / "alone", 1)
    except duckdb.OutOfMemoryException:
        shutil.rmtree(folder / "alone")
        return _in_parts(duck, sql, options, folder / "parts", _PARTS)


def _in_parts(duck: duckdb.DuckDBPyConnection, sql: str, options: str, folder: Path, parts: int) -> list[Path]:
    """Write the rows of a query part by part, each into a folder; returns the folders."""
    folder.mkdir(parents=True)
    folders = [folder / str(part) for part in range(parts)]
    for part, target in enumerate(folders):
        duck.execute(f"COPY ({sql}) TO {literal(str(target))} ({options})", {"parts": parts, "part": part})
    return folders
