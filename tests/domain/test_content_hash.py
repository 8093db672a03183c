"""The test vectors and the script of docs/content-hash.md are correct."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assess_core.adapters.arrow.rows import to_batch
from assess_core.adapters.duckdb import connection as duck
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, canonical, latest_answers, make_version
from tests.factories import RECEIVED

PAGE = (Path(__file__).parents[2] / "docs" / "content-hash.md").read_text(encoding="utf-8")


class Vector(NamedTuple):
    name: str
    text: str
    content_hash: str

    def version(self) -> AttemptVersion:
        """The version that the product makes from the values in the text."""
        *key, attempted_on, _, _, _, answers = json.loads(self.text)
        stored = latest_answers(Answer(**answer) for answer in answers)
        return make_version(AttemptKey(*key), attempted_on, stored, RECEIVED)


VECTORS = [
    Vector(*found)
    for found in re.findall(r"### ([^\n]+)\n\n[^\n]+\n\n```json\n([^\n]+)\n```\n\n`content_hash` = `(\w+)`\n", PAGE)
]


def test_the_page_has_five_complete_vectors() -> None:
    assert len(VECTORS) == PAGE.count("### ") == PAGE.count("```json") == 5


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_the_product_computes_the_text_and_the_hash_of_each_vector(vector: Vector) -> None:
    row = vector.version()

    totals = (row.total_score, row.total_max_score, row.grand_total)
    text = canonical(row.key, row.version.last_attempted_on, totals, row.question.encode())
    assert text.decode() == vector.text
    assert row.version.content_hash.hex() == vector.content_hash


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_hash_is_the_first_16_bytes_of_sha_256_over_the_text(vector: Vector) -> None:
    assert hashlib.sha256(vector.text.encode()).hexdigest()[:32] == vector.content_hash


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path_factory.mktemp("docs") / "recompute.py"
    path.write_text(code, encoding="utf-8")
    return path


def parquet(path: Path, hashes: list[bytes]) -> Path:
    """A Parquet file with the vectors as rows of the lake, and with these hashes."""
    hot = pa.Table.from_batches([to_batch([vector.version() for vector in VECTORS])])
    hot = hot.set_column(hot.schema.get_field_index("content_hash"), "content_hash", pa.array(hashes, pa.binary()))
    with duck.connect() as connection:
        connection.register("hot", hot)
        lake = connection.sql("SELECT * REPLACE (question_of(question) AS question) FROM hot").to_arrow_table()
    pq.write_table(lake, path)
    return path


def test_the_script_of_the_page_recomputes_the_hashes_of_a_parquet_file(script: Path, tmp_path: Path) -> None:
    right = [bytes.fromhex(vector.content_hash) for vector in VECTORS]
    runs = [
        subprocess.run([sys.executable, script, file], capture_output=True, text=True, check=False)
        for file in (parquet(tmp_path / "right.parquet", right), parquet(tmp_path / "wrong.parquet", right[::-1]))
    ]

    assert [(run.returncode, run.stdout) for run in runs] == [
        (0, "5 rows, 0 with another hash\n"),
        (1, "5 rows, 4 with another hash\n"),
    ]
