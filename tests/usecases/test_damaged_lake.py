"""Damaged lake files: verify reports the damage, clear refuses the slice, and other weeks are not affected."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assess_core.domain.manifest import Action, ManifestEntry
from assess_core.domain.slice_status import SliceStatus
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import VerifyFailed
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, slice_views, verify
from assess_core.usecases.compacting import compact
from tests.factories import RECEIVED, WEEK, version
from tests.lakes import Prepared, five_versions, keep
from tests.loop import NOW

pytestmark = pytest.mark.xdist_group("damaged lake")  # one worker makes the stores, once

W5 = ArchiveSlice.parse("b1|2024-W05")
B2 = ArchiveSlice.parse("b2|2024-W05")
W6 = ArchiveSlice.parse("b1|2024-W06")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def prepare(stores: Stores) -> None:
        keep(stores.hot, [*five_versions(), version(batch_id="b2"), version(received=RECEIVED + WEEK)])
        archive([W5, B2, W6], stores, NOW)

    return Prepared(tmp_path_factory.mktemp("prepared"), prepare)


@pytest.fixture
def stores(prepared: Prepared, tmp_path: Path) -> Stores:
    """Two slices of one week and one of another, archived."""
    return prepared.copy(tmp_path)


def file_of_week_5(stores: Stores) -> Path:
    [file] = stores.lake.pin().files([W5.week])
    return Path(file.url)


def rewrite(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, row_group_size=2)


def rows_of(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read()


def problems(stores: Stores) -> dict[ArchiveSlice, str | None]:
    """The problems that verify finds. Also checks that clear refuses exactly the slices with a problem."""
    found = {slice_: verified.problem for slice_, verified in verify([W5, B2, W6], stores, NOW).items()}
    before = stores.hot.counts(found)
    cleared = clear([W5, B2, W6], stores, NOW)
    for slice_, problem in found.items():
        assert (cleared[slice_].refused is None) == (problem is None)
        assert stores.hot.counts([slice_]) == {slice_: before[slice_] if problem else 0}
    return found


def test_a_missing_file_is_reported_for_each_slice_of_its_week(stores: Stores) -> None:
    path = file_of_week_5(stores)
    path.unlink()

    found = problems(stores)

    assert found[W5] == f"b1|2024-W05: the lake's file {path} is missing; restore it from a backup"
    assert found[B2] == f"b2|2024-W05: the lake's file {path} is missing; restore it from a backup"
    assert found[W6] is None


def test_a_truncated_file_is_reported(stores: Stores) -> None:
    path = file_of_week_5(stores)
    path.write_bytes(path.read_bytes()[:-100])

    problem = problems(stores)[W5]

    assert problem is not None
    assert f"the lake's file {path} cannot be read (" in problem


@pytest.mark.parametrize("where", [0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 0.97, 1.0])
def test_one_flipped_bit_anywhere_is_detected(stores: Stores, where: float) -> None:
    path = file_of_week_5(stores)
    data = bytearray(path.read_bytes())
    data[int(where * (len(data) - 1))] ^= 0x10
    path.write_bytes(data)

    found = problems(stores)

    assert found[W5] is not None
    assert found[W6] is None


def test_clear_detects_damage_after_the_verification(stores: Stores) -> None:
    verify([W5], stores, NOW)
    path = file_of_week_5(stores)
    path.write_bytes(path.read_bytes().replace(b"ARROW:schema", b"ARROW:schemb"))  # readers ignore this value

    refused = clear([W5], stores, NOW)[W5].refused

    assert refused == (
        f"b1|2024-W05: the bytes of {path.name} have changed since they were written; restore the file from a backup"
    )
    assert stores.hot.counts([W5]) == {W5: 5}


def change_the_score_of_u2(path: Path) -> None:
    table = rows_of(path)
    column = table.schema.get_field_index("total_score")
    of_u2 = pc.equal(table["user_id"], "u2")
    changed = pc.if_else(of_u2, pc.add(table["total_score"], 1.0), table["total_score"])
    rewrite(path, table.set_column(column, table.schema.field(column), changed))


def test_clear_detects_a_changed_row_in_a_file_that_was_compacted_after_the_verification(stores: Stores) -> None:
    keep(stores.hot, [version(user_id="u9")])
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    compact([W5.week], stores.lake, NOW)
    change_the_score_of_u2(file_of_week_5(stores))

    refused = clear([W5], stores, NOW)[W5].refused

    assert refused is not None
    assert "1 row does not give the recorded content hash, e.g. of assessment" in refused
    assert stores.hot.counts([W5]) == {W5: 6}


def test_a_changed_row_is_reported_with_its_attempt_and_its_file(stores: Stores) -> None:
    path = file_of_week_5(stores)
    change_the_score_of_u2(path)

    found = problems(stores)

    assert found[W5] == (
        f"b1|2024-W05: the bytes of {path.name} have changed since they were written; "
        "1 row does not give the recorded content hash, e.g. of assessment 'a1', attempt 't2'; "
        "restore the lake from a backup"
    )


def test_rows_are_proved_again_unless_their_slice_was_verified_with_the_same_bytes(stores: Stores) -> None:
    path = file_of_week_5(stores)
    table = rows_of(path)
    column = table.schema.get_field_index("total_score")
    rewrite(path, table.set_column(column, table.schema.field(column), pc.add(table["total_score"], 1.0)))
    same, other = ({path.name: hashlib.sha256(data).hexdigest()} for data in (path.read_bytes(), b""))

    def damaged(verified: dict[ArchiveSlice, dict[str, str]]) -> set[ArchiveSlice]:
        with stores.lake.copies(stores.lake.pin(), [W5, B2], proved=True, verified=verified) as copies:
            assert copies.contents()[W5].rows == 5
            assert copies.files([W5]) == {W5: same}
            return set(copies.damaged())

    assert damaged({W5: same, B2: same}) == set()
    assert damaged({W5: same}) == {W5, B2}
    assert damaged({W5: other, B2: other}) == {W5, B2}
    assert damaged({}) == {W5, B2}


def test_a_changed_answer_is_detected(stores: Stores) -> None:
    path = file_of_week_5(stores)
    table = rows_of(path)
    rows = table.to_pylist()
    next(row for row in rows if row["question"])["question"][0]["resvalues"] = [[("1", "another answer")]]
    rewrite(path, pa.Table.from_pylist(rows, table.schema))

    problem = problems(stores)[W5]

    assert problem is not None
    assert "1 row does not give the recorded content hash" in problem


def test_a_wrong_has_answers_flag_is_detected(stores: Stores) -> None:
    path = file_of_week_5(stores)
    table = rows_of(path)
    column = table.schema.get_field_index("has_answers")
    all_true = pa.array([True] * table.num_rows)
    rewrite(path, table.set_column(column, table.schema.field(column), all_true))

    problem = problems(stores)[W5]

    assert problem is not None
    assert "assessment 'a1', attempt 't1'" in problem


def test_a_removed_row_is_detected_in_its_slice(stores: Stores) -> None:
    path = file_of_week_5(stores)
    table = rows_of(path)
    rewrite(path, table.filter(pc.not_equal(table["batch_id"], "b2")))

    problem = problems(stores)[B2]

    assert problem is not None
    assert "versions 0 instead of 1" in problem
    assert problem.endswith("restore the lake from a backup, or archive it again while its rows are in the hot store")


def test_a_changed_receipt_is_detected(stores: Stores) -> None:
    path = file_of_week_5(stores)
    table = rows_of(path)
    column = table.schema.get_field_index("updated_on")
    later = pc.add(table["updated_on"], pa.scalar(1_000_000, pa.duration("us")))
    rewrite(path, table.set_column(column, table.schema.field(column), later))

    problem = problems(stores)[W5]

    assert problem is not None
    assert "digest" in problem


def test_a_rewritten_file_with_the_same_rows_but_other_bytes_is_detected(stores: Stores) -> None:
    path = file_of_week_5(stores)
    rewrite(path, rows_of(path))

    problem = problems(stores)[W5]

    assert problem is not None
    assert f"the bytes of {path.name} have changed since they were written" in problem


def test_an_archive_fails_if_a_lake_file_cannot_be_read(stores: Stores) -> None:
    path = file_of_week_5(stores)
    path.unlink()
    keep(stores.hot, [version(user_id="u9")])

    with pytest.raises(VerifyFailed, match="is missing; restore it from a backup"):
        archive([W5], stores, NOW)


def test_a_restored_file_passes_verify_again(stores: Stores) -> None:
    path = file_of_week_5(stores)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert problems(stores)[W5] is not None

    path.write_bytes(data)

    assert problems(stores) == {W5: None, B2: None, W6: None}


def test_a_failed_verification_is_shown_until_a_later_one_succeeds(stores: Stores) -> None:
    verify([W5], stores, NOW)
    path = file_of_week_5(stores)
    original = path.read_bytes()
    path.unlink()
    problem = verify([W5], stores, NOW)[W5].problem
    verify([W5], stores, NOW)

    [view] = [view for view in slice_views(stores, NOW, 0, None) if view.slice == W5]
    assert (view.status, view.note) == (SliceStatus.WRITTEN, problem)
    assert [entry.action for entry in entries_of(stores, W5)] == [Action.ARCHIVED, Action.VERIFIED, Action.FAILED]

    path.write_bytes(original)
    refused = clear([W5], stores, NOW)[W5].refused
    assert refused is not None
    assert refused.startswith("b1|2024-W05: its last verification failed; repair the files and verify it again (")

    assert verify([W5], stores, NOW)[W5].problem is None
    assert clear([W5], stores, NOW)[W5].cleared == 5
    assert entries_of(stores, W5)[3].action is Action.VERIFIED


@pytest.mark.parametrize("column", ["total_score", "cleared", "at", "previous"])
def test_a_changed_manifest_is_reported_and_clears_nothing(stores: Stores, column: str) -> None:
    verify([W5, B2, W6], stores, NOW)
    path = next(path for path in manifest_files(stores) if 5 in rows_of(path)["week"].to_pylist())
    table = rows_of(path)
    of_w5 = pc.and_(pc.equal(table["batch_id"], "b1"), pc.equal(table["week"], 5))
    other = pa.scalar("f" * 64 if column == "previous" else 1).cast(table[column].type)
    changed = pc.if_else(of_w5, other, table[column])
    rewrite(path, table.set_column(table.schema.get_field_index(column), column, changed))

    problem = verify([W5], stores, NOW)[W5].problem

    assert problem is not None
    assert "the manifest was changed: entry " in problem
    assert clear([W5], stores, NOW)[W5].refused is not None
    assert stores.hot.counts([W5]) == {W5: 5}


def entries_of(stores: Stores, slice_: ArchiveSlice) -> list[ManifestEntry]:
    return sorted((entry for entry in stores.lake.manifest() if entry.slice == slice_), key=lambda entry: entry.number)


def manifest_files(stores: Stores) -> list[Path]:
    folder = file_of_week_5(stores).parents[3] / "archive_manifest"
    return sorted(folder.glob("*.parquet"))
