"""The status of a slice, and the steps that it needs next."""

import pytest

from assess_core.domain.manifest import Action, Contents, ManifestEntry, SliceRecord, by_slice, chained
from assess_core.domain.slice_status import SliceStatus, SliceView, Step, view
from assess_core.domain.slices import ArchiveSlice

W5 = ArchiveSlice.parse("b1|2024-W05")
ARCHIVED, VERIFIED, FAILED = Action.ARCHIVED, Action.VERIFIED, Action.FAILED
CLEARING, CLEARED, RESTORED = Action.CLEARING, Action.CLEARED, Action.RESTORED
DROPPED, ERASED = Action.DROPPED, Action.ERASED


def state(hot_rows: int, *actions: Action, open_: str | None = None) -> SliceView:
    """A slice with three archived rows, with these hot rows and manifest entries."""
    contents = Contents(3, 3, 3, 1.0, "ab" * 32)
    entries = [ManifestEntry(W5, action, 1, contents, 1, "0.1.0", problem="damaged") for action in actions]
    return view(W5, hot_rows, by_slice(chained(entries, {})).get(W5, SliceRecord()), open_)


@pytest.mark.parametrize(
    ("found", "status", "steps", "why"),
    [
        (state(3, open_="its week is not over"), SliceStatus.OPEN, (), "its week is not over"),
        (state(3), SliceStatus.PLANNED, (Step.ARCHIVE,), "closed, and not archived yet"),
        (state(0), SliceStatus.PLANNED, (), "it has no rows, because a stream was killed"),
        (state(3, ARCHIVED), SliceStatus.WRITTEN, (Step.VERIFY,), "archived, and not verified yet"),
        (state(3, ARCHIVED, FAILED), SliceStatus.WRITTEN, (Step.VERIFY,), "damaged"),
        (state(3, ARCHIVED, VERIFIED), SliceStatus.VERIFIED, (Step.CLEAR,), "verified, and not cleared yet"),
        (state(4, ARCHIVED, VERIFIED), SliceStatus.VERIFIED, (Step.ARCHIVE, Step.CLEAR), "the lake lacks at least 1"),
        (state(2, ARCHIVED, VERIFIED, CLEARING), SliceStatus.CLEARING, (Step.CLEAR,), "a clear began"),
        (state(0, ARCHIVED, VERIFIED, CLEARING, CLEARED), SliceStatus.CLEARED, (), ""),
        (
            state(1, ARCHIVED, VERIFIED, CLEARING, CLEARED),
            SliceStatus.VERIFIED,
            (Step.ARCHIVE, Step.CLEAR),
            "1 row arrived in the hot store after it was cleared",
        ),
        (
            state(3, ARCHIVED, VERIFIED, CLEARING, CLEARED, RESTORED),
            SliceStatus.VERIFIED,
            (Step.ARCHIVE, Step.CLEAR),
            "it was restored from the lake",
        ),
        (state(0, ARCHIVED, VERIFIED, RESTORED, CLEARING, CLEARED), SliceStatus.CLEARED, (), ""),
        (state(0, ARCHIVED, VERIFIED, CLEARING, CLEARED, DROPPED), SliceStatus.DROPPED, (), ""),
        (
            state(1, ARCHIVED, VERIFIED, CLEARED, DROPPED),
            SliceStatus.PLANNED,
            (Step.ARCHIVE,),
            "rows arrived in the hot store after retention dropped it",
        ),
        (
            state(1, ARCHIVED, VERIFIED, CLEARED, DROPPED, ARCHIVED, VERIFIED),
            SliceStatus.VERIFIED,
            (Step.ARCHIVE, Step.CLEAR),
            "1 row arrived in the hot store after it was cleared",
        ),
        (state(2, ARCHIVED, VERIFIED, RESTORED, CLEARING), SliceStatus.CLEARING, (Step.CLEAR,), "a clear began"),
    ],
)
def test_a_slice_has_a_status_its_next_steps_and_a_reason(
    found: SliceView, status: SliceStatus, steps: tuple[Step, ...], why: str
) -> None:
    assert (found.status, found.next_steps) == (status, steps)
    assert found.why.startswith(why)
    assert bool(found.why) == bool(why)


def test_the_next_steps_tell_whether_a_slice_needs_an_archive_or_a_clear() -> None:
    assert (state(3).needs_archive, state(3).needs_clear) == (True, False)
    assert (state(3, ARCHIVED).needs_archive, state(3, ARCHIVED).needs_clear) == (True, False)
    assert (state(3, ARCHIVED, VERIFIED).needs_archive, state(3, ARCHIVED, VERIFIED).needs_clear) == (False, True)
    assert (state(4, ARCHIVED, VERIFIED).needs_archive, state(4, ARCHIVED, VERIFIED).needs_clear) == (True, True)


def test_an_erased_slice_is_verified_again_and_then_as_before() -> None:
    done = (ARCHIVED, VERIFIED, CLEARING, CLEARED)
    assert state(0, *done, ERASED, VERIFIED).status is SliceStatus.CLEARED
    assert state(2, ARCHIVED, VERIFIED, ERASED, VERIFIED).status is SliceStatus.VERIFIED
