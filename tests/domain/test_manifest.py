"""Manifest entries: their text, their hash chain, and the state of a slice that follows from them."""

import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.manifest import (
    NOTHING,
    UNCHAINED,
    Action,
    Contents,
    Link,
    ManifestEntry,
    SliceRecord,
    broken,
    by_slice,
    chained,
    entry_text,
    problem,
)
from assess_core.domain.slices import ArchiveSlice, IsoWeek

W5 = ArchiveSlice(IsoWeek(2024, 5), "b1")
W6 = ArchiveSlice(IsoWeek(2024, 6), "b1")
CONTENTS = Contents(3, 3, 2, 4.5, "ab" * 32)

Entries = list[ManifestEntry]


def new_entry(action: Action = Action.ARCHIVED, slice_: ArchiveSlice = W5, version: int = 1) -> ManifestEntry:
    return ManifestEntry(slice_, action, version, CONTENTS, 1_706_572_800_000, "0.1.0", files={"b": "2", "a": "1"})


def chain(*actions: Action) -> Entries:
    return chained(map(new_entry, actions), {})


def test_the_text_of_an_entry_is_compact_standard_json() -> None:
    [entry] = chained([new_entry()], {})

    assert json.loads(entry_text(entry)) == [
        *("0" * 64, 1, "b1", "2024-W05", "archived", 1, 3, 3, 2, struct.pack(">d", 4.5).hex(), "ab" * 32),
        *(1_706_572_800_000, "0.1.0", 0, 0, None, {"a": "1", "b": "2"}),
    ]
    assert entry_text(entry) == json.dumps(json.loads(entry_text(entry)), ensure_ascii=False, separators=(",", ":"))
    assert entry.hash == hashlib.sha256(entry_text(entry).encode()).hexdigest()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_batch_id_has_only_one_json_spelling(batch_id: str) -> None:
    text = entry_text(new_entry(slice_=ArchiveSlice(IsoWeek(2024, 5), batch_id)))

    assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


def test_each_entry_has_the_hash_of_the_previous_entry_of_its_slice() -> None:
    entries = chained([new_entry(), new_entry(slice_=W6), new_entry(Action.VERIFIED)], {W6: Link(7, "cd" * 32)})

    assert [(entry.number, entry.previous) for entry in entries] == [
        UNCHAINED._replace(number=1),
        (8, "cd" * 32),
        (2, entries[0].hash),
    ]


def test_a_complete_chain_is_valid_in_any_read_order() -> None:
    assert broken(reversed(chain(*Action))) == {}
    assert broken([]) == {}


def without_the_first_entry(entries: Entries) -> Entries:
    return entries[1:]


def without_a_middle_entry(entries: Entries) -> Entries:
    return entries[:1] + entries[2:]


def with_another_sum(entries: Entries) -> Entries:
    changed = msgspec.structs.replace(entries[1], contents=CONTENTS._replace(total_score=5.0))
    return [entries[0], changed, *entries[2:]]


def rewritten_with_its_hash(entries: Entries) -> Entries:
    return [
        entries[0],
        *chained([msgspec.structs.replace(entries[1], cleared=9)], {W5: Link(1, entries[0].hash)}),
        entries[2],
    ]


def with_a_repeated_entry(entries: Entries) -> Entries:
    return [*entries, entries[1]]


def with_an_unchained_entry(entries: Entries) -> Entries:
    return [*entries, new_entry()]


@pytest.mark.parametrize(
    "damage",
    [
        without_the_first_entry,
        without_a_middle_entry,
        with_another_sum,
        rewritten_with_its_hash,
        with_a_repeated_entry,
        with_an_unchained_entry,
    ],
)
def test_a_chain_with_a_missing_or_changed_entry_is_reported(damage: Callable[[Entries], Entries]) -> None:
    good = chained([new_entry(slice_=W6)], {})

    problems = broken([*damage(chain(Action.ARCHIVED, Action.VERIFIED, Action.CLEARED)), *good])

    assert list(problems) == [W5]
    assert problems[W5].startswith("the manifest was changed: entry ")
    assert problems[W5].endswith("restore archive_manifest from a backup")


def test_a_slice_whose_last_verification_failed_is_not_verified_until_the_next_success() -> None:
    entries = chain(Action.ARCHIVED, Action.VERIFIED, Action.FAILED, Action.VERIFIED)

    known = [by_slice(entries[:many])[W5] for many in (1, 2, 3, 4)]

    assert [record.is_verified for record in known] == [False, True, False, True]
    assert [record.has_failed for record in known] == [False, False, True, False]


def test_a_clear_is_in_progress_until_the_next_entry() -> None:
    entries = chain(Action.ARCHIVED, Action.VERIFIED, Action.CLEARING, Action.CLEARED, Action.CLEARING, Action.VERIFIED)

    assert [by_slice(entries[:many])[W5].is_clearing for many in range(1, 7)] == [
        False, False, True, False, True, False,
    ]  # fmt: skip


def test_the_entry_of_the_highest_lake_version_counts_even_if_it_was_recorded_earlier() -> None:
    entries = chained([new_entry(version=6), new_entry(version=5)], {})

    assert by_slice(entries)[W5].archived == entries[0]
    assert NOTHING.versions == 0


def test_copies_are_the_same_even_if_the_sum_of_their_scores_was_rounded_differently() -> None:
    rounded = CONTENTS._replace(total_score=4.500000000000001)

    assert CONTENTS.same_copies(rounded)
    assert CONTENTS.same_rows(rounded)
    assert problem(SliceRecord(archived=new_entry()), rounded, {}) is None


@pytest.mark.parametrize(
    "other", [{"versions": 2}, {"attempts": 3}, {"digest": "cd" * 32}], ids=["versions", "attempts", "digest"]
)
def test_counts_and_digest_decide_whether_copies_are_the_same(other: dict[str, Any]) -> None:
    assert not CONTENTS.same_copies(CONTENTS._replace(**other))


def test_a_copy_that_was_written_twice_is_the_same_copy_but_another_row() -> None:
    twice = CONTENTS._replace(rows=4)

    assert CONTENTS.same_copies(twice)
    assert not CONTENTS.same_rows(twice)
