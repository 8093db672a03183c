"""Archived rows of a learner, read by deltalake's engine: the same values as from DuckDB, for every content."""

from collections.abc import Collection
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec
import pytest

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.duckdb.unions import DuckUnions
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import Answer, AttemptVersion
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, key, version
from tests.lakes import NASTY, put

BY_KEY: Final = attrgetter("key", "version", "received_at")
NUMBERS: Final = (0.0, -1.5, 1.33, 1e-4, 1e-5, 9e-7, 5e-324, 1e15, 1e16, 123456789012345680.0, 1e21, 1.5e300)
TEXTS: Final = (*NASTY, "", "\u0000\u000b\u001f\u007f", "\b\t\n\f\r", "भारत 🍎", "\u2028", "\\u000b", "NULL")


@pytest.fixture
def lake(tmp_path: Path) -> DeltaLake:
    return DeltaLake(Folder(tmp_path / "lake"))


def found(lake: DeltaLake, wanted: Collection[AttemptVersion], user_id: str) -> list[AttemptVersion]:
    """The rows of these versions of a learner. Fails if the engine does not answer."""
    hashes = [each.version.content_hash for each in wanted]
    batch_ids, weeks = {each.key.batch_id for each in wanted}, {each.slice.week for each in wanted}
    rows = lake.pin().learner_rows(batch_ids, weeks, user_id, hashes)
    assert rows is not None
    return sorted(rows, key=BY_KEY)


def hostile_answers() -> list[Answer]:
    numbers = [
        answer(f"n{place}", score=number, max_score=number, assess_ts=ATTEMPTED + place)
        for place, number in enumerate(NUMBERS)
    ]
    texts = [
        msgspec.structs.replace(
            answer(text), title=text, type=text, description=text, resvalues=[{text: text}], params=[{text: text}, {}]
        )
        for text in TEXTS
    ]
    bare = Answer("bare", None, 0.0, 0.0, None, None, [], [], None, 0.0)
    two = msgspec.structs.replace(answer("two"), params=[{"b": "1", "a": "2", "ü": "3", "B": "4"}])
    return [*numbers, *texts, bare, two]


def test_every_content_is_read_as_it_was_submitted(lake: DeltaLake) -> None:
    all_at_once = version(user_id="u1", answers=hostile_answers())
    none, no_clock = version(user_id="u1", attempt_id="t2", answers=[]), version(user_id="u1", attempted=0, received=1)
    latest = version(user_id="u1", attempted=4_102_444_799_999, received=4_102_444_799_999)
    each = [version(user_id="u1", attempt_id=f"t{at}", answers=[one]) for at, one in enumerate(hostile_answers(), 10)]
    written = [all_at_once, none, no_clock, latest, *each]
    put(lake, written)

    assert found(lake, written, "u1") == sorted(written, key=BY_KEY)


def test_rows_are_found_by_hostile_ids_of_learners_and_batches(lake: DeltaLake) -> None:
    written = [version(of=key(id_, id_, batch_id, id_, id_)) for id_ in NASTY for batch_id in NASTY]
    put(lake, written)

    for id_ in NASTY:
        theirs = [each for each in written if each.key.user_id == id_]
        assert found(lake, theirs, id_) == sorted(theirs, key=BY_KEY)


def test_ids_that_differ_only_at_their_end_are_not_skipped(lake: DeltaLake) -> None:
    # statistics of files and pages have only the beginning of a long text
    for end in ("", "\U0010ffff", "é", "~"):
        put(lake, [version(user_id="\U0010ffff" * 40 + end), version(user_id="l" * 70 + end, batch_id="b" * 70 + end)])
    for end in ("", "\U0010ffff", "é", "~"):
        for wanted in (
            version(user_id="\U0010ffff" * 40 + end),
            version(user_id="l" * 70 + end, batch_id="b" * 70 + end),
        ):
            assert found(lake, [wanted], wanted.key.user_id) == [wanted]


def test_rows_of_other_learners_batches_weeks_and_versions_are_left_out(lake: DeltaLake) -> None:
    wanted, same_week = version(user_id="u1"), version(user_id="u1", attempt_id="t2")
    later = version(user_id="u1", attempt_id="t3", received=RECEIVED + WEEK)
    elsewhere = version(user_id="u1", batch_id="b2")
    put(lake, [wanted, same_week, later, elsewhere, version(user_id="u2")])
    hashes = [each.version.content_hash for each in (wanted, later, elsewhere)]

    assert lake.pin().learner_rows(["b1"], {wanted.slice.week}, "u1", hashes) == [wanted]


def test_a_learner_with_many_attempts_in_many_weeks_is_read_whole(lake: DeltaLake) -> None:
    written = [
        version(user_id="u1", batch_id=f"b{at % 7}", attempt_id=f"t{at}", received=RECEIVED + at % 3 * WEEK)
        for at in range(600)
    ]
    put(lake, written)

    assert found(lake, written, "u1") == sorted(written, key=BY_KEY)


def test_a_version_with_two_receipts_has_two_copies(lake: DeltaLake) -> None:
    copies = [version(user_id="u1", received=RECEIVED), version(user_id="u1", received=RECEIVED + 1)]
    put(lake, copies)

    assert found(lake, copies, "u1") == copies


def test_a_table_in_a_bucket_and_an_empty_lake_are_not_asked(place: Location, lake: DeltaLake) -> None:
    assert lake.pin().learner_rows(["b1"], set(), "u1", []) is None
    there, row = DeltaLake(place), version()
    put(there, [row])

    rows = there.pin().learner_rows(["b1"], {row.slice.week}, "u1", [row.version.content_hash])

    assert rows == ([row] if isinstance(place, Folder) else None)


def test_duckdb_gives_the_same_rows(lake: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    written = [version(user_id="u1", attempt_id=f"t{at}", answers=[one]) for at, one in enumerate(hostile_answers())]
    put(lake, written)
    weeks, hashes = {each.slice.week for each in written}, [each.version.content_hash for each in written]
    unions = DuckUnions(MemoryHot(), lake)
    quick = unions.archived(["b1"], weeks, "u1", hashes)
    monkeypatch.setattr("os.getpid", lambda: -1)  # as in a forked child

    assert sorted(unions.archived(["b1"], weeks, "u1", hashes), key=BY_KEY) == sorted(quick, key=BY_KEY)
