"""The lake in a folder and in a bucket: pins, appends, the manifest, and measurements of the files."""

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from assess_core.adapters.arrow.rows import LAKE_SCHEMA, QUESTION, to_batch
from assess_core.adapters.duckdb.connection import connect, parquet
from assess_core.adapters.duckdb.location import Location, location_of
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.manifest import Action, Contents, ManifestEntry, broken, by_slice
from assess_core.domain.moments import parse_moment
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadSettings, LakeConflict, StoreUnavailable
from assess_core.ports.lake import Named
from assess_core.usecases.archiving import archive
from tests.factories import RECEIVED, WEEK, answer, version
from tests.lakes import copies_of, held, keep, put, stores_over
from tests.loop import NOW
from tests.places import Store

ROOT: Final = Path(__file__).parents[2]
W5: Final = ArchiveSlice.parse("b1|2024-W05")
W6: Final = ArchiveSlice.parse("b1|2024-W06")
B2: Final = ArchiveSlice.parse("b2|2024-W05")


@pytest.fixture
def lake(place: Location) -> DeltaLake:
    return DeltaLake(place)


def reader(*versions: AttemptVersion) -> pa.RecordBatchReader:
    """Versions as rows of the lake."""
    with connect() as duck:
        duck.register("hot", pa.Table.from_batches([to_batch(versions)]))
        table = duck.execute("SELECT * REPLACE (question_of(question) AS question) FROM hot").to_arrow_table()
    return table.cast(LAKE_SCHEMA).to_reader()


def entry(
    slice_: ArchiveSlice = W5, action: Action = Action.ARCHIVED, version: int = 1, at: int = NOW
) -> ManifestEntry:
    contents = Contents(3, 3, 2, 4.5, "0123456789abcdef" * 4)
    return ManifestEntry(slice_, action, version, contents, at, "0.1.0", 2, 1, {"part-0.parquet": "ab" * 32})


# --- pinning ---


def test_a_lake_without_tables_is_empty(lake: DeltaLake) -> None:
    pinned = lake.pin()

    assert (pinned.version, pinned.files(), lake.manifest()) == (-1, [], [])


def test_a_pinned_lake_does_not_change(lake: DeltaLake) -> None:
    put(lake, [version()])
    before = lake.pin()
    put(lake, [version(batch_id="b2")])

    assert len(before.files()) == 1
    assert len(lake.pin().files()) == 2
    assert lake.pin(before.version).files() == before.files()


def test_files_are_listed_by_week_with_rows_and_bytes(lake: DeltaLake, place: Location) -> None:
    put(lake, [version(), version(batch_id="b2"), version(received=RECEIVED + WEEK)])

    files = lake.pin().files()

    assert [(file.week, file.rows) for file in files] == [(IsoWeek(2024, 5), 2), (IsoWeek(2024, 6), 1)]
    stored = {f"{place.url}/{name}": Store(place).read(name) for name in Store(place).files("attempts")}
    assert {file.url: file.bytes for file in files} == {url: len(content) for url, content in stored.items()}
    assert lake.pin().files([IsoWeek(2024, 6), IsoWeek(2030, 1)]) == files[1:]
    assert lake.pin().files([]) == []


def test_the_error_for_a_missing_lake_version_names_it(lake: DeltaLake) -> None:
    put(lake, [version()])

    with pytest.raises(StoreUnavailable, match="cannot be read at version 7"):
        lake.pin(7)


@pytest.mark.parametrize(
    "name", ["a b", "é😀", 'it\'s "odd"', "a*b", "a?b", "{a}", "year=2000", "batch_id=x", "100%", "#"]
)
def test_a_lake_works_in_a_folder_of_any_plain_name(tmp_path: Path, name: str) -> None:
    lake = DeltaLake(Folder.of("ASSESS_LAKE", tmp_path / name))
    put(lake, [version()])
    for other in ("axb", "a", "axxb"):
        shutil.copytree(tmp_path / name, tmp_path / other)  # a backup: its files have the same names

    with connect() as duck:
        rows = duck.execute(f"SELECT batch_id, year, week, user_id FROM {parquet(lake.pin().files())}").fetchall()

    assert rows == [("b1", 2024, 5, "u1")]


@pytest.mark.parametrize("name", ["a[1]", "a%20b", "a\\b", "a|b", "a\nb", "^"])
def test_folders_that_the_delta_library_cannot_handle_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSettings, match=r"^ASSESS_LAKE: .*choose a folder with a plain name$"):
        Folder.of("ASSESS_LAKE", tmp_path / name)


# --- appending ---


def test_an_append_is_refused_if_one_of_its_slices_changed_since_the_pin(lake: DeltaLake) -> None:
    put(lake, [version(user_id="u0")])
    first, second = lake.pin(), lake.pin()
    lake.append(first, [W5], reader(version()))

    with pytest.raises(LakeConflict, match="another process committed"):
        lake.append(second, [W5, B2], reader(version(), version(batch_id="b2")))

    assert held(lake) == copies_of([version(user_id="u0"), version()])


def test_an_append_that_pinned_an_empty_lake_is_refused_if_its_slice_has_rows_now(lake: DeltaLake) -> None:
    first, second = lake.pin(), lake.pin()
    lake.append(first, [W5], reader(version()))

    with pytest.raises(LakeConflict):
        lake.append(second, [W5], reader(version()))


def test_appends_of_other_slices_are_not_refused(lake: DeltaLake) -> None:
    first, second = lake.pin(), lake.pin()

    assert lake.append(first, [W5], reader(version())) == 1
    assert lake.append(second, [B2], reader(version(batch_id="b2"))) == 2


def test_a_failure_while_rows_are_read_is_raised_unchanged(lake: DeltaLake) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield from reader(version())
        raise StoreUnavailable("the hot store is away")

    with pytest.raises(StoreUnavailable, match=r"^the hot store is away$"):
        lake.append(lake.pin(), [W5], pa.RecordBatchReader.from_batches(LAKE_SCHEMA, rows()))

    assert lake.pin().files() == []


def test_rows_are_sorted_by_batch_then_learner_across_shards(tmp_path: Path) -> None:
    stores = stores_over(MemoryHot(shards=4), tmp_path)
    rows = [version(batch_id=f"b{n % 3}", user_id=f"u{n * 7919 % 1000:03}", attempt_id=f"t{n}") for n in range(2500)]
    keep(stores.hot, rows)

    archive(stores.hot.slices(), stores, NOW)

    [file] = stores.lake.pin().files()
    with pq.ParquetFile(file.url) as found:
        learners = found.read(["batch_id", "user_id"]).to_pylist()
        statistics = found.metadata.row_group(0).column(0).statistics
    places = [(row["batch_id"], row["user_id"]) for row in learners]
    assert places == sorted(places)
    assert (statistics.min, statistics.max) == ("b0", "b2")


def test_the_log_is_checkpointed(lake: DeltaLake, place: Location) -> None:
    for n in range(21):
        put(lake, [version(user_id=f"u{n}")])

    assert any(name.endswith(".checkpoint.parquet") for name in Store(place).names())
    assert sum(held(lake).values()) == 21


# --- the manifest ---


def test_the_manifest_returns_the_recorded_entries_oldest_first(lake: DeltaLake) -> None:
    odd = ArchiveSlice.parse("b|'\"\n\0😀|2020-W53")
    entries = [entry(at=NOW + n, version=9 - n, action=action) for n, action in enumerate(Action)]
    entries.append(entry(odd, at=NOW + 9))

    lake.record(entries[2:])
    lake.record(entries[:2])
    lake.record([])

    found = lake.manifest()
    unchained = [msgspec.structs.replace(entry, number=0, previous="", hash="") for entry in found]
    assert unchained == entries
    of_first = len(Action)
    assert [entry.number for entry in found] == [of_first - 1, of_first, *range(1, of_first - 1), 1]
    assert broken(found) == {}


def test_entries_of_concurrent_archivers_form_one_chain(lake: DeltaLake) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(lake.record, [entry(at=NOW + n), entry(W6, at=NOW + n)]) for n in range(12)]:
            done.result()

    found = lake.manifest()
    assert sorted((entry.slice, entry.number) for entry in found) == [(W5, n) for n in range(1, 13)] + [
        (W6, n) for n in range(1, 13)
    ]
    assert broken(found) == {}


def test_the_manifest_is_stored_in_few_files(tmp_path: Path) -> None:
    lake = DeltaLake(Folder(tmp_path))
    for n in range(40):
        lake.record([entry(at=NOW + n)])

    assert [found.at for found in lake.manifest()] == [NOW + n for n in range(40)]
    assert len(DeltaTable(str(tmp_path / "archive_manifest")).file_uris()) < 33


def test_the_state_of_a_slice_follows_from_its_newest_entries() -> None:
    archived = [entry(version=3, at=NOW + 1), entry(version=2, at=NOW + 2)]
    verified = entry(action=Action.VERIFIED, version=2)

    record = by_slice([*archived, verified])[W5]

    assert (record.archived, record.verified, record.cleared) == (archived[0], verified, None)
    assert not record.is_verified
    assert by_slice([archived[1], verified])[W5].is_verified


# --- measurements of the files ---


def test_the_digest_of_a_slice_is_the_documented_sum(lake: DeltaLake) -> None:
    rows = [version(user_id=f"u{n}", received=RECEIVED + n) for n in range(50)]
    put(lake, rows)
    put(lake, rows[:3])

    with lake.copies(lake.pin(), [W5]) as copies:
        contents = copies.contents()[W5]

    texts = [f"{row.version.content_hash.hex()}@{row.received_at}" for row in rows]
    digests = [int.from_bytes(hashlib.sha256(text.encode()).digest()) for text in texts]
    assert contents.digest == f"{sum(digests) % (2**256 - 189):064x}"
    assert contents.rows == 53


def test_sql_recomputes_the_content_hash_of_any_row(lake: DeltaLake) -> None:
    scores = [0.1 + 0.2, 1e16, 123456789012345680.0, 1e21, 1e22, 1e-4, 1e-5, 1e-7, 5e-324, -2.5, 1.7e308]
    texts = ["\0", "\x0b\x1f", "\"quoted\" \\ / 'x'", "\u2028\u2029", "😀 é e\u0301", ""]
    rows = [version(attempt_id=f"s{n}", answers=[answer(score=score)]) for n, score in enumerate(scores)]
    rows += [version(user_id=f"u{text}", attempt_id=text, answers=[answer(id=text)]) for text in texts]
    rows += [version(user_id="u0", attempted=0, answers=[answer(assess_ts=None)], received=RECEIVED)]
    put(lake, rows)

    with lake.copies(lake.pin(), [W5], proved=True) as copies:
        assert copies.damaged() == {}
        assert copies.contents()[W5].versions == len(rows)


def test_a_query_over_no_files_has_no_rows_and_the_columns_of_the_lake() -> None:
    with connect() as duck:
        table = duck.execute(f"SELECT * FROM {parquet([])}").to_arrow_table()

    assert table.num_rows == 0
    assert table.schema.names == LAKE_SCHEMA.names
    assert table.schema.field("question").type == QUESTION


def test_a_row_has_the_iso_week_of_its_receipt(lake: DeltaLake) -> None:
    moments = {"2024-12-30": (2025, 1), "2021-01-03": (2020, 53), "2020-12-28": (2020, 53), "2016-01-03": (2015, 53)}
    days = [parse_moment(day) for day in moments]
    put(lake, [version(attempted=at, received=at) for at in days])

    pinned = lake.pin()
    with connect(location_of(pinned)) as duck:
        found = duck.execute(f"SELECT epoch_ms(updated_on), year, week FROM {parquet(pinned.files())}").fetchall()

    assert {at: (year, week) for at, year, week in found} == dict(zip(days, moments.values(), strict=True))


# --- what retention asks ---


def test_a_draft_can_leave_out_slices_and_replace_a_week_by_nothing(lake: DeltaLake) -> None:
    put(lake, [version(), version(batch_id="b2"), version(received=RECEIVED + WEEK)])

    for without, left in (([W5], 2), ([B2], 1)):
        pinned = lake.pin()
        with lake.rewritten(pinned, W5.week, without) as draft:
            lake.replace(pinned, W5.week, draft)
        assert held(lake).total() == left
    assert lake.pin().files([W5.week]) == []


def test_a_week_names_the_slices_with_rows_of_learners_and_assessments(lake: DeltaLake) -> None:
    put(lake, [version(user_id="u1", content_id="a1"), version(user_id="u2", content_id="a2", batch_id="b2")])
    pinned = lake.pin()

    assert lake.naming(pinned, W5.week, ["u1", "nobody"], ["a2", "a1' OR 1=1 --"]) == {
        W5: Named(frozenset({"u1"}), frozenset()),
        B2: Named(frozenset(), frozenset({"a2"})),
    }
    assert lake.naming(pinned, W5.week, [], ["u1"]) == {}
    assert lake.naming(pinned, W6.week, ["u1"], []) == {}


def test_the_manifest_names_the_slices_that_were_dropped(lake: DeltaLake) -> None:
    assert lake.dropped() == []
    lake.record([entry(W5), entry(W5, Action.DROPPED), entry(B2), entry(W6, Action.DROPPED), entry(W6)])

    assert lake.dropped() == [W5, W6]
