"""A Parquet file depends on its rows, and not on how they arrive."""

from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assess_core.adapters.arrow import row_groups
from assess_core.adapters.arrow.row_groups import write_row_groups

ROWS = pa.table({"text": ["x" * (number % 7) if number % 5 else None for number in range(60)], "number": range(60)})


def written(tables: list[pa.Table], folder: Path) -> bytes:
    with patch.multiple(row_groups, _ROWS=4, _PORTION_ROWS=8, _PORTION_BYTES=40, _GROUP_PORTIONS=3, _GROUP_BYTES=40):
        assert write_row_groups(tables, folder / "file", {"pyarrow": "1"}) == sum(table.num_rows for table in tables)
    return (folder / "file").read_bytes()


@settings(deadline=None)  # on a busy machine a file can take longer than the default of 0.2 s
@given(st.lists(st.integers(0, 60)))
def test_the_bytes_do_not_depend_on_how_the_rows_are_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    ends = [0, *sorted(cuts), 60]
    pieces = [ROWS.slice(start, end - start) for start, end in pairwise(ends)]

    assert written(pieces, folder) == written([ROWS], folder)
    assert pq.read_table(folder / "file").equals(ROWS)


def test_a_row_group_ends_with_its_portions_or_with_the_bytes_of_their_different_texts(tmp_path: Path) -> None:
    different = pa.table({"text": [f"{number:030}" for number in range(9)]})
    equal = pa.table({"text": ["x" * 30] * 9})
    short = pa.table({"text": ["x"] * 50})

    groups = []
    for table in (different, equal, short):
        written([table], tmp_path)
        metadata = pq.read_metadata(tmp_path / "file")
        groups.append([metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)])

    assert groups == [[4, 4, 1], [8, 1], [24, 24, 2]]


def test_readers_see_texts_and_not_how_equal_ones_were_stored(tmp_path: Path) -> None:
    written([ROWS], tmp_path)

    assert pq.read_schema(tmp_path / "file") == ROWS.schema
