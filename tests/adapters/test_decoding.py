"""An id is found in whatever a file holds, also where grep finds nothing."""

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assess_core.adapters.files.decoding import decoded
from assess_core.domain.erasing import Mentions
from assess_core.errors import ErasureRefused
from assess_core.usecases.erasing import are_in

ID = "learner-4f1c9a"
FILLED = [{"answers": [{"text": f"{number} is not it " * 20}]} for number in range(2000)]


def nested(path: Path) -> None:
    rows = [*FILLED, {"answers": [{"text": f"asked by {ID}. " * 3}]}]
    pq.write_table(pa.Table.from_pylist(rows), path, compression="ZSTD", write_statistics=False)


def nested_in_row_groups(path: Path) -> None:
    """Each row group has a dictionary of its own."""
    rows = [{"files": [(f"part-{row}", ID if row == 1999 else "x")]} for row in range(2000)]
    table = pa.Table.from_pylist(rows, pa.schema({"files": pa.map_(pa.string(), pa.string())}))
    pq.write_table(table, path, compression="ZSTD", write_statistics=False, row_group_size=700)


def nested_with_a_full_dictionary(path: Path) -> None:
    """The dictionary becomes too large, so later pages have plain values."""
    rows = [{"files": [(f"part-{row}", ID if row == 1999 else "x")]} for row in range(2000)]
    table = pa.Table.from_pylist(rows, pa.schema({"files": pa.map_(pa.string(), pa.string())}))
    options = {"dictionary_pagesize_limit": 100, "data_page_size": 100, "write_batch_size": 10}
    pq.write_table(table, path, compression="ZSTD", write_statistics=False, **options)


def statistic(path: Path) -> None:
    pq.write_table(pa.table({"user_id": ["a", ID]}), path, compression="ZSTD")


def stats_of_delta(path: Path) -> None:
    path.write_text(json.dumps({"add": {"stats": json.dumps({"maxValues": {"user_id": ID}})}}) + "\n{}\n")


def compressed(path: Path) -> None:
    path.write_bytes(gzip.compress(b"x," * 5_000_000 + ID.encode() + b",x"))


def workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/sheet.xml", f"<t>{ID}</t>")


def free_page(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE t (x TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [(ID * 50,)] * 200)
        connection.commit()
        connection.execute("DELETE FROM t")
        connection.commit()


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.parquet", nested),
        ("a.parquet", nested_in_row_groups),
        ("a.parquet", nested_with_a_full_dictionary),
        ("a.parquet", statistic),
        ("a.json", stats_of_delta),
        ("a.csv.gz", compressed),
        ("a.xlsx", workbook),
        ("a.sqlite", free_page),
    ],
)
def test_an_id_is_found_in_every_kind_of_file(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    path = tmp_path / name
    write(path)

    assert are_in(decoded(path, name), Mentions([ID]))
    assert not are_in(decoded(path, name), Mentions(["learner-of-nobody"]))


def test_grep_finds_nothing_where_decoding_does(tmp_path: Path) -> None:
    nested(tmp_path / "a.parquet")
    assert ID.encode() not in (tmp_path / "a.parquet").read_bytes()


@pytest.mark.parametrize("name", ["a.json", "a.zip", "a.sqlite", "a.txt"])
def test_a_file_that_is_not_what_its_name_says_is_searched_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"cut \x00\xff " + ID.encode())
    assert are_in(decoded(tmp_path / name, name), Mentions([ID]))
    assert not are_in(decoded(tmp_path / name, name), Mentions(["learner-of-nobody"]))


@pytest.mark.parametrize(("name", "write"), [("a.parquet", nested), ("a.csv.gz", compressed), ("a.xlsx", workbook)])
def test_nobody_says_that_a_damaged_file_holds_nothing(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + (b"" if name != "a.xlsx" else whole[len(whole) // 2 + 1 :]))

    with pytest.raises(
        ErasureRefused, match=rf"the file {name} cannot be decoded .*restore it from a backup, or delete"
    ):
        are_in(decoded(path, name), Mentions(["learner-of-nobody"]))


@pytest.mark.parametrize("name", ["gone.csv", "gone.parquet", "gone.db", "gone.zip"])
def test_a_file_that_was_deleted_since_it_was_listed_holds_nothing(tmp_path: Path, name: str) -> None:
    assert list(decoded(tmp_path / name, name)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ErasureRefused, match="cannot be decoded"):
        list(decoded(tmp_path, "a folder in its place"))
