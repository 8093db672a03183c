"""Report files: each id has its own file, which is written completely or not at all."""

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.report_formats import ROW_FORMATS, Format
from assess_core.domain.report_spec import Report
from assess_core.errors import AssessError, StoreUnavailable
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import file_name, write_exhaust
from assess_core.wiring import open_output
from tests.factories import version
from tests.lakes import NASTY, asked, keep, put, reports, stores_over


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """An empty hot store in memory, an empty lake."""
    return stores_over(MemoryHot(), tmp_path)


@pytest.mark.long
@given(st.lists(st.tuples(st.text(min_size=1), st.none() | st.text(min_size=1)), min_size=2, max_size=5, unique=True))
def test_no_two_batches_or_courses_share_a_file(ids: list[tuple[str, str | None]]) -> None:
    names = {file_name(asked(batch_id, Report.SCORE, Format.CSV, course=course_id)) for batch_id, course_id in ids}

    assert len(names) == len(ids)
    assert all(Path(name).name == name and len(name) <= 242 and not name.startswith(".") for name in names)


def test_ids_of_1_kb_that_differ_only_at_the_end_have_different_files() -> None:
    ids = ["é" * 512, "é" * 511 + "è", "b" * 1024, "b" * 1023 + "c"]

    names = {file_name(asked(id_, Report.SCORE, Format.PARQUET, course=id_)) for id_ in ids} | {
        file_name(asked(id_, Report.SCORE, Format.CSV, course=None)) for id_ in ids
    }

    assert len(names) == 8
    assert max(map(len, names)) == 242  # `.partial` and `.json` can follow


@pytest.mark.parametrize("batch_id", NASTY, ids=ascii)
def test_the_report_of_a_batch_with_any_id_is_in_the_exhausts_folder(batch_id: str, stores: Stores) -> None:
    keep(stores.hot, [version(batch_id=batch_id)])

    written = write_exhaust(stores, asked(batch_id, Report.SCORE))

    assert set((reports(stores) / "score-exhaust").iterdir()) == {Path(written.path), Path(f"{written.path}.json")}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Simulates a full disk: no file of this process can have more than `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("format_", ROW_FORMATS)
def test_if_the_disk_is_full_the_report_fails_and_the_previous_report_is_kept(
    format_: Format, stores: Stores, tmp_path: Path
) -> None:
    noise = random.Random(1)
    put(stores.lake, [version(user_id=noise.randbytes(16).hex(), attempt_id=str(number)) for number in range(3000)])
    output = tmp_path / "out" / "report"
    output.parent.mkdir()
    output.write_text("the previous report")

    with pytest.raises(StoreUnavailable, match="room"), files_of_at_most(40_000):
        write_exhaust(stores, asked("b1", Report.RESPONSE, format_), output=open_output(str(output), None))

    assert output.read_text() == "the previous report"
    assert list(output.parent.iterdir()) == [output]


def test_if_the_disk_is_full_the_read_of_hot_rows_fails_too(stores: Stores) -> None:
    noise = random.Random(1)
    keep(stores.hot, [version(user_id=noise.randbytes(16).hex(), attempt_id=str(number)) for number in range(3000)])

    with pytest.raises(StoreUnavailable, match="TMPDIR"), files_of_at_most(40_000):
        write_exhaust(stores, asked("b1", Report.RESPONSE))

    assert not reports(stores).exists()


@pytest.mark.parametrize("report", list(Report))
def test_if_the_lake_cannot_be_read_the_report_fails_and_leaves_no_file(report: Report, stores: Stores) -> None:
    keep(stores.hot, [version(attempt_id="t1")])
    put(stores.lake, [version(attempt_id="t2")])
    path = Path(stores.lake.pin().files()[0].url)
    path.write_bytes(path.read_bytes()[:-50])

    with pytest.raises(AssessError, match=path.name):
        write_exhaust(stores, asked("b1", report))

    assert not reports(stores).exists() or not list(reports(stores).rglob("*.*"))
