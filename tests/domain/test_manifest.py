"""The manifest's entries: what each says, how they are tied to one another, and what is known of a slice from them."""

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


def said(action: Action = Action.ARCHIVED, slice_: ArchiveSlice = W5, version: int = 1) -> ManifestEntry:
    return ManifestEntry(slice_, action, version, CONTENTS, 1_706_572_800_000, "0.1.0", files={"b": "2", "a": "1"})


def chain(*actions: Action) -> Entries:
    return chained(map(said, actions), {})


def test_the_text_of_an_entry_is_what_any_json_writer_would_write() -> None:
    [entry] = chained([said()], {})

    assert json.loads(entry_text(entry)) == [
        *("0" * 64, 1, "b1", "2024-W05", "archived", 1, 3, 3, 2, struct.pack(">d", 4.5).hex(), "ab" * 32),
        *(1_706_572_800_000, "0.1.0", 0, 0, None, {"a": "1", "b": "2"}),
    ]
    assert entry_text(entry) == json.dumps(json.loads(entry_text(entry)), ensure_ascii=False, separators=(",", ":"))
    assert entry.hash == hashlib.sha256(entry_text(entry).encode()).hexdigest()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_batch_id_is_written_in_two_ways(batch_id: str) -> None:
    text = entry_text(said(slice_=ArchiveSlice(IsoWeek(2024, 5), batch_id)))

    assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


def test_each_entry_is_tied_to_the_one_before_it_in_its_own_slice() -> None:
    entries = chained([said(), said(slice_=W6), said(Action.VERIFIED)], {W6: Link(7, "cd" * 32)})

    assert [(entry.number, entry.previous) for entry in entries] == [
        UNCHAINED._replace(number=1),
        (8, "cd" * 32),
        (2, entries[0].hash),
    ]


def test_a_whole_chain_holds_in_whatever_order_it_is_read() -> None:
    assert broken(reversed(chain(*Action))) == {}
    assert broken([]) == {}


def without_the_first(entries: Entries) -> Entries:
    return entries[1:]


def without_one_in_between(entries: Entries) -> Entries:
    return entries[:1] + entries[2:]


def another_sum(entries: Entries) -> Entries:
    changed = msgspec.structs.replace(entries[1], contents=CONTENTS._replace(total_score=5.0))
    return [entries[0], changed, *entries[2:]]


def rewritten_with_its_hash(entries: Entries) -> Entries:
    return [
        entries[0],
        *chained([msgspec.structs.replace(entries[1], cleared=9)], {W5: Link(1, entries[0].hash)}),
        entries[2],
    ]


def one_twice(entries: Entries) -> Entries:
    return [*entries, entries[1]]


def never_tied(entries: Entries) -> Entries:
    return [*entries, said()]


@pytest.mark.parametrize(
    "damage",
    [without_the_first, without_one_in_between, another_sum, rewritten_with_its_hash, one_twice, never_tied],
)
def test_a_chain_from_which_something_is_missing_or_changed_is_named(damage: Callable[[Entries], Entries]) -> None:
    good = chained([said(slice_=W6)], {})

    problems = broken([*damage(chain(Action.ARCHIVED, Action.VERIFIED, Action.CLEARED)), *good])

    assert list(problems) == [W5]
    assert problems[W5].startswith("the manifest was changed: entry ")
    assert problems[W5].endswith("restore archive_manifest from a backup")


def test_a_slice_whose_newest_verification_failed_is_not_verified_until_it_is_again() -> None:
    entries = chain(Action.ARCHIVED, Action.VERIFIED, Action.FAILED, Action.VERIFIED)

    known = [by_slice(entries[:many])[W5] for many in (1, 2, 3, 4)]

    assert [record.is_verified for record in known] == [False, True, False, True]
    assert [record.has_failed for record in known] == [False, False, True, False]


def test_a_clear_is_under_way_until_something_else_is_said() -> None:
    entries = chain(Action.ARCHIVED, Action.VERIFIED, Action.CLEARING, Action.CLEARED, Action.CLEARING, Action.VERIFIED)

    assert [by_slice(entries[:many])[W5].is_clearing for many in range(1, 7)] == [
        False, False, True, False, True, False,
    ]  # fmt: skip


def test_what_was_read_from_the_highest_version_counts_whoever_wrote_it_down_last() -> None:
    entries = chained([said(version=6), said(version=5)], {})

    assert by_slice(entries)[W5].archived == entries[0]
    assert NOTHING.versions == 0


def test_a_sum_of_floats_does_not_decide_whether_copies_are_the_same() -> None:
    rounded = CONTENTS._replace(total_score=4.500000000000001)

    assert CONTENTS.same_copies(rounded)
    assert CONTENTS.same_rows(rounded)
    assert problem(SliceRecord(archived=said()), rounded, {}) is None


@pytest.mark.parametrize(
    "other", [{"versions": 2}, {"attempts": 3}, {"digest": "cd" * 32}], ids=["versions", "attempts", "digest"]
)
def test_counts_and_digest_decide_whether_copies_are_the_same(other: dict[str, Any]) -> None:
    assert not CONTENTS.same_copies(CONTENTS._replace(**other))


def test_a_copy_that_was_written_twice_is_the_same_copy_but_another_row() -> None:
    twice = CONTENTS._replace(rows=4)

    assert CONTENTS.same_copies(twice)
    assert not CONTENTS.same_rows(twice)
