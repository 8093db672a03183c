"""The difference between the attempts of a ticket and those of another moment. Pure, and in constant memory."""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from assess_core.domain.attempts import AttemptKey
from assess_core.domain.moments import iso_or_empty


class Change(StrEnum):
    """How an attempt differs."""

    ADDED = "added"
    CHANGED = "changed"
    GONE = "gone"


class AttemptState(NamedTuple):
    """What a report says of an attempt: two equal states give the same rows."""

    key: AttemptKey
    content_hash: bytes
    """Of the newest version."""
    last_attempted_on: int
    received_at: int
    """The earliest receipt of the newest version (epoch ms)."""
    total_score: float
    total_max_score: float
    versions: int

    @property
    def order(self) -> tuple[str, str, str, str, str]:
        """Batch, learner, course, assessment and attempt id: the order in which attempts are compared."""
        key = self.key
        return key.batch_id, key.user_id, key.course_id, key.content_id, key.attempt_id


class Difference(NamedTuple):
    """An attempt that differs."""

    change: Change
    before: AttemptState | None
    after: AttemptState | None

    def row(self) -> dict[str, object]:
        """The values of `COLUMNS`."""
        before, after = self.before, self.after
        key = (after or before or _NOTHING).key
        return {
            "change": self.change.value,
            "batch_id": key.batch_id,
            "user_id": key.user_id,
            "course_id": key.course_id,
            "content_id": key.content_id,
            "attempt_id": key.attempt_id,
            "score_before": before and before.total_score,
            "score": after and after.total_score,
            "max_score_before": before and before.total_max_score,
            "max_score": after and after.total_max_score,
            "attempted_before": before and iso_or_empty(before.last_attempted_on),
            "attempted": after and iso_or_empty(after.last_attempted_on),
            "received_before": before and iso_or_empty(before.received_at),
            "received": after and iso_or_empty(after.received_at),
            "versions_before": before and before.versions,
            "versions": after and after.versions,
        }


_NOTHING = AttemptState(AttemptKey("", "", "", "", ""), b"", 0, 0, 0.0, 0.0, 0)
COLUMNS = tuple(Difference(Change.ADDED, None, None).row())
"""The columns of the output."""


def differences(before: Iterator[AttemptState], after: Iterator[AttemptState]) -> Iterator[Difference]:
    """The attempts that differ, in order. Both sides must be ordered by `AttemptState.order`."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.order < new.order):
            yield Difference(Change.GONE, old, None)
            old = next(before, None)
        elif old is None or new.order < old.order:
            yield Difference(Change.ADDED, None, new)
            new = next(after, None)
        else:
            if old != new:
                yield Difference(Change.CHANGED, old, new)
            old, new = next(before, None), next(after, None)
