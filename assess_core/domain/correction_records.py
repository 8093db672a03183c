"""Records of corrections: who decided a correction, why and when, and which corrections are in force.

A correction is in force from its record on, until a record reverts it. What is in force is a pure function of the set
of records. The id of a correction is a digest of its scope and rule, with a count: the same correction entered twice
has one id and one record. Entered again after a revert, it gets the next count.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.corrections import Correction, correction_text, parse_correction
from assess_core.domain.moments import iso, parse_moment
from assess_core.domain.register import Kind, Record, why_no_decision
from assess_core.domain.scores import Entry, SummaryKey
from assess_core.errors import BadCorrection, BadTime, NotOurTable

_DIGITS: Final = 12


class Decision(NamedTuple):
    """Who decided something, why and when."""

    by: str
    reason: str
    at: int
    """Epoch ms."""


class Decided(NamedTuple):
    """A correction with its record's id and the decision for it."""

    id: str
    correction: Correction
    decision: Decision

    def covers(self, entry: Entry) -> bool:
        """Whether a version is in the scope."""
        key = entry.key
        return self.correction.includes(key.assessment_id, key.course_id, key.batch_id, entry.version.last_attempted_on)


class Entered(NamedTuple):
    """A correction that was ever entered, and the decision that reverted it; None while it is in force."""

    decided: Decided
    reverted: Decision | None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of its records."""
        return (Kind.CORRECTION,) if self.reverted is None else (Kind.CORRECTION, Kind.REVERT)


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a record. A revert has no correction."""

    by: str
    reason: str
    at: str
    correction: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Content).decode


def decision(by: str, reason: str, at: int) -> Decision:
    """A decision. `at` is in epoch ms. Raises `BadCorrection` if nobody or no reason is named."""
    if why := why_no_decision(by, reason):
        raise BadCorrection(why)
    return Decision(by, reason, at)


def correction_record(correction: Correction, decided: Decision, entered: Iterable[Entered]) -> Record:
    """The record that enters a correction. `entered`: all corrections of its assessment that were ever entered.

    If the correction is in force already, the record has its id, so adding it changes nothing.
    """
    text = correction_text(correction)
    digest = hashlib.sha256(text).hexdigest()[:_DIGITS]
    reverted = sum(one.reverted is not None and one.decided.id.startswith(f"{digest}-") for one in entered)
    content = {**_words(decided), "correction": msgspec.Raw(text)}
    return Record(Kind.CORRECTION, correction.assessment, f"{digest}-{reverted + 1}", _text(content))


def revert_record(reverted: Decided, decided: Decision) -> Record:
    """The record that reverts a correction."""
    return Record(Kind.REVERT, reverted.correction.assessment, reverted.id, _text(_words(decided)))


def carried_out_record(one: Entered, kind: Kind) -> Record:
    """The record that the stored scores follow a correction or its revert."""
    return Record(Kind.CARRIED_OUT, one.decided.correction.assessment, f"{kind}/{one.decided.id}", "{}")


def _words(decided: Decision) -> dict[str, object]:
    return {"by": decided.by, "reason": decided.reason, "at": iso(decided.at)}


def _text(content: Mapping[str, object]) -> str:
    return msgspec.json.encode(content).decode()


def entered(corrections: Iterable[Record], reverts: Iterable[Record]) -> list[Entered]:
    """All corrections that were ever entered, in the order in which they apply: by moment, then by id.

    Raises `NotOurTable` if a record cannot be read.
    """
    by_key = {(record.topic, record.id): _decision(record, _content(record)) for record in reverts}
    found = [Entered(_decided(record), by_key.get((record.topic, record.id))) for record in corrections]
    return sorted(found, key=lambda one: (one.decided.decision.at, one.decided.id, one.decided.correction.assessment))


class Corrections(NamedTuple):
    """All corrections that were ever entered, by assessment, as they were stored at one moment."""

    entered: Mapping[str, Sequence[Entered]]
    """In the order in which they apply."""

    @classmethod
    def of(cls, corrections: Iterable[Record], reverts: Iterable[Record]) -> "Corrections":
        """Raises `NotOurTable` as `entered` does."""
        by_assessment: dict[str, list[Entered]] = {}
        for one in entered(corrections, reverts):
            by_assessment.setdefault(one.decided.correction.assessment, []).append(one)
        return cls(by_assessment)

    @property
    def in_force(self) -> tuple[Decided, ...]:
        """The corrections that count, by assessment, then in the order in which they apply."""
        return tuple(one.decided for of in self.entered.values() for one in of if one.reverted is None)

    def covering(self, entry: Entry) -> list[Decided]:
        """The corrections in force that cover a version, in the order in which they apply."""
        of_assessment = self.entered.get(entry.key.assessment_id, ())
        return [one.decided for one in of_assessment if one.reverted is None and one.decided.covers(entry)]

    def decisions(self, key: SummaryKey, versions: Collection[Entry]) -> int:
        """The number of records, of corrections and of reverts, that cover at least one of a map's versions.

        It grows with the records and with the versions, and never shrinks.
        """
        of_assessment = self.entered.get(key.assessment_id, ())
        return sum(len(one.kinds) for one in of_assessment if any(one.decided.covers(version) for version in versions))


def _decided(record: Record) -> Decided:
    content = _content(record)
    try:
        correction = parse_correction(bytes(content.correction), "correction")
    except BadCorrection as error:
        raise _unreadable(record, str(error)) from None
    if correction.assessment != record.topic:
        raise _unreadable(record, f"it is about assessment {record.topic!r}, but its content about another one")
    return Decided(record.id, correction, _decision(record, content))


def _content(record: Record) -> _Content:
    try:
        return _decode(record.content)
    except msgspec.DecodeError as error:
        raise _unreadable(record, str(error)) from None


def _decision(record: Record, content: _Content) -> Decision:
    try:
        return Decision(content.by, content.reason, parse_moment(content.at, "at"))
    except BadTime as error:
        raise _unreadable(record, str(error)) from None


def _unreadable(record: Record, problem: str) -> NotOurTable:
    name = f"{record.kind} {record.id!r} in the register"
    return NotOurTable(f"{name}: {problem}; restore the register from a backup")
