"""Holds: what must not be deleted by a rule or an erasure, who decided it and why. Pure functions over records.

A hold is in force until it is released or its last moment has come. It never changes: to prolong it, add another one.
"""

import hashlib
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.json_text import is_unicode
from assess_core.domain.moments import iso
from assess_core.domain.register import Kind, Record, why_no_decision
from assess_core.errors import BadHold

_ID_BYTES: Final = 1024
_ID_DIGITS: Final = 12
_SHOWN: Final = 100


class Target(StrEnum):
    """What a hold protects."""

    BATCH = "batch"
    LEARNER = "learner"
    ASSESSMENT = "assessment"


class Hold(NamedTuple):
    """A decision that nothing of a batch, learner or assessment is deleted."""

    id: str
    target: Target
    of: str
    """The id of the batch, learner or assessment."""
    by: str
    reason: str
    at: int
    """When it was entered (epoch ms)."""
    until: int | None = None
    """The first moment (epoch ms) at which it is not in force any more; None: until it is released."""

    def __str__(self) -> str:
        end = "" if self.until is None else f", until {iso(self.until)}"
        return f"hold {self.id} on {self.target} {self.of!r} (by {self.by}: {self.reason}{end})"


class Release(NamedTuple):
    """The end of a hold."""

    by: str
    reason: str
    at: int


class HoldState(NamedTuple):
    """A hold, and how it ended."""

    hold: Hold
    release: Release | None

    def is_in_force(self, now: int) -> bool:
        """Whether it is in force at a moment (epoch ms)."""
        return self.release is None and (self.hold.until is None or now < self.hold.until)

    def status(self, now: int) -> str:
        """`in force`, `released` or `over`: its last moment has come."""
        if self.release is not None:
            return "released"
        return "in force" if self.is_in_force(now) else "over"


class _HoldText(msgspec.Struct, frozen=True):
    target: Target
    by: str
    reason: str
    at: int
    until: int | None = None


class _ReleaseText(msgspec.Struct, frozen=True):
    by: str
    reason: str
    at: int


_decode_hold = msgspec.json.Decoder(_HoldText).decode
_decode_release = msgspec.json.Decoder(_ReleaseText).decode


def new_hold(target: Target, of: str, by: str, reason: str, at: int, until: int | None = None) -> Hold:
    """A hold with the id that follows from its content. Raises `BadHold`."""
    if not 0 < len(of.encode("utf-8", "surrogatepass")) <= _ID_BYTES or not is_unicode(of):
        raise BadHold(f"{target}: {of[:_SHOWN]!r} is no id; an id has 1 to {_ID_BYTES:,} bytes of UTF-8")
    _require_decision(by, reason)
    if until is not None and until <= at:
        raise BadHold(f"until: {iso(until)} is not in the future; write a later moment, or none")
    content = "\0".join((target, of, by, reason, str(at), str(until)))
    return Hold(hashlib.sha256(content.encode()).hexdigest()[:_ID_DIGITS], target, of, by, reason, at, until)


def hold_record(hold: Hold) -> Record:
    """The record of a hold."""
    text = _HoldText(hold.target, hold.by, hold.reason, hold.at, hold.until)
    return Record(Kind.HOLD, hold.of, hold.id, msgspec.json.encode(text).decode())


def release_record(hold: Hold, by: str, reason: str, at: int) -> Record:
    """The record that ends a hold. Raises `BadHold`."""
    _require_decision(by, reason)
    return Record(Kind.RELEASE, hold.of, hold.id, msgspec.json.encode(_ReleaseText(by, reason, at)).decode())


def hold_states(holds: Iterable[Record], releases: Iterable[Record]) -> list[HoldState]:
    """All holds with their releases, ordered by the moment at which they were entered.

    Raises `BadHold` if a record cannot be read: a hold that nobody can read must not be ignored.
    """
    ended = {(record.topic, record.id): _release(record) for record in releases}
    found = [HoldState(_hold(record), ended.get((record.topic, record.id))) for record in holds]
    return sorted(found, key=lambda state: (state.hold.at, state.hold.id))


def holds_in_force(holds: Iterable[Record], releases: Iterable[Record], now: int) -> list[Hold]:
    """The holds that are in force at a moment (epoch ms). Raises what `hold_states` raises."""
    return [state.hold for state in hold_states(holds, releases) if state.is_in_force(now)]


def stopping(
    holds: Iterable[Hold],
    batches: Collection[str] = (),
    learners: Collection[str] = (),
    assessments: Collection[str] = (),
) -> list[Hold]:
    """The holds that protect one of these batches, learners or assessments."""
    touched = {Target.BATCH: batches, Target.LEARNER: learners, Target.ASSESSMENT: assessments}
    return [hold for hold in holds if hold.of in touched[hold.target]]


def held_ids(holds: Iterable[Hold], target: Target) -> set[str]:
    """The ids that holds on this kind of thing name."""
    return {hold.of for hold in holds if hold.target is target}


def _require_decision(by: str, reason: str) -> None:
    if why := why_no_decision(by, reason):
        raise BadHold(why)


def _hold(record: Record) -> Hold:
    try:
        text = _decode_hold(record.content)
    except msgspec.DecodeError as error:
        raise _unreadable(record, error) from None
    return Hold(record.id, text.target, record.topic, text.by, text.reason, text.at, text.until)


def _release(record: Record) -> Release:
    try:
        text = _decode_release(record.content)
    except msgspec.DecodeError as error:
        raise _unreadable(record, error) from None
    return Release(text.by, text.reason, text.at)


def _unreadable(record: Record, error: Exception) -> BadHold:
    return BadHold(
        f"the {record.kind} {record.id} in the register cannot be read ({str(error)[:_SHOWN]}); a newer version may "
        "have written it: update this installation"
    )
