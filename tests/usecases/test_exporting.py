"""Slices as archive files of Sunbird: an import reads them back."""

import gzip
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assess_core.adapters.files.exhausts import FolderExhausts
from assess_core.adapters.files.packing import write_packed
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.archive_rows import COLUMNS, ArchivedRow, read_rows
from assess_core.domain.archive_writing import archive_texts
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, latest_answers, with_totals
from assess_core.domain.moments import LATEST
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Versions
from assess_core.ports.stores import Stores
from assess_core.usecases.exporting import Exported, export_slices
from tests.archives import bring
from tests.factories import ATTEMPTED, RECEIVED, answer, version
from tests.lakes import copies_of, five_versions, held, keep, stores_over
from tests.loop import put_away


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """A hot store in memory with five versions of three learners, an empty lake."""
    stores = stores_over(MemoryHot(), tmp_path)
    keep(stores.hot, five_versions())
    return stores


def export(stores: Stores, folder: Path, versions: Versions = Versions.NEWEST) -> list[Exported]:
    pack = partial(write_packed, format=Format.CSV_GZ, member="")
    return list(export_slices(stores.hot.slices(), stores, FolderExhausts(folder), pack, versions))


def test_a_slice_becomes_a_file_in_sunbirds_layout(stores: Stores, tmp_path: Path) -> None:
    [done] = export(stores, tmp_path / "out")

    assert done.path == str(tmp_path / "out" / "archived-batches" / "assessment" / "b1-2024-5-1707091200000.csv.gz")
    assert done.rows == 4
    lines = gzip.decompress(Path(done.path).read_bytes()).decode().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert len(lines) == 5
    assert lines[4].startswith("c1,b1,u3,a1,t3,2024-01-30T00:01:00.000Z,1.0/2.0,1706572800000,2.0,1.0,1706572860000,")


def test_all_versions_are_read_back(stores: Stores, tmp_path: Path) -> None:
    export(stores, tmp_path / "out", Versions.ALL)
    other = stores_over(MemoryHot(), tmp_path / "other")

    assert bring(other, tmp_path / "out").refusals == []

    assert held(other.lake) == copies_of(five_versions())


def test_the_newest_versions_are_read_back(stores: Stores, tmp_path: Path) -> None:
    export(stores, tmp_path / "out")
    other = stores_over(MemoryHot(), tmp_path / "other")

    bring(other, tmp_path / "out")

    superseded = version(user_id="u1")
    assert held(other.lake) == copies_of(row for row in five_versions() if row != superseded)


def test_a_file_is_the_same_after_archive_and_clear(stores: Stores, tmp_path: Path) -> None:
    [before] = [Path(done.path).read_bytes() for done in export(stores, tmp_path / "out")]

    put_away(stores)

    assert [Path(done.path).read_bytes() for done in export(stores, tmp_path / "out")] == [before]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(['"', "\\", "a\nb", ",", ' "'])
ID = TEXT.filter(lambda text: text not in ("", "null"))
NUMBER = st.floats(-1e9, 1e9).map(lambda number: number + 0.0) | st.sampled_from([0.1, 1e-7, 1e17])
MAPS = st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2)
ANSWERS = st.lists(
    st.builds(
        Answer, TEXT, st.none() | st.integers(0, LATEST - 1), NUMBER, NUMBER, st.none() | TEXT, st.none() | TEXT,
        MAPS, MAPS, st.none() | TEXT, NUMBER,
    ),
    max_size=3,
)  # fmt: skip
KEYS = st.builds(AttemptKey, ID, ID, ID, ID, TEXT.filter(lambda text: text != "null"))


@given(KEYS, ANSWERS, st.sampled_from([0, ATTEMPTED]))
@settings(max_examples=200)
def test_every_version_is_read_back_as_itself(key: AttemptKey, answers: list[Answer], attempted: int) -> None:
    row = version(key, attempted, latest_answers(answers), received=RECEIVED)

    assert read_back(row) == row


def read_back(row: AttemptVersion) -> AttemptVersion:
    [found] = read_rows(archive_texts([row]), "file.csv", None, LATEST)
    assert isinstance(found, ArchivedRow), found
    return found.version


def test_the_totals_of_an_older_job_are_read_back() -> None:
    row = with_totals(version().key, ATTEMPTED, (20.0, 20.0, "20"), b"[]", RECEIVED)

    assert read_back(row) == row


@pytest.mark.long
@given(st.lists(KEYS, min_size=1, max_size=5, unique=True))
@settings(max_examples=6, deadline=None)
def test_a_slice_is_read_back_into_another_lake(keys: list[AttemptKey]) -> None:
    rows = [version(key._replace(batch_id="b|1"), answers=[answer()]) for key in keys]
    with TemporaryDirectory() as folder:
        stores, other = (stores_over(MemoryHot(), Path(folder) / name) for name in ("one", "two"))
        keep(stores.hot, rows)
        export(stores, Path(folder) / "out", Versions.ALL)

        bring(other, Path(folder) / "out")

        assert held(other.lake) == copies_of(rows)
