"""Corrections of a wrong question: another score or maximum for its answers, as a pure function of a version.

A correction never changes a version. It says what the version's answers to one question are worth. Several corrections
apply one after the other, each to the result of those before it.
"""

from collections.abc import Collection, Sequence
from math import isfinite
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.attempts import Answer, AttemptVersion, grand_total, question_text, total
from assess_core.domain.counts import counted
from assess_core.domain.json_text import is_too_deep, without_mark
from assess_core.domain.moments import iso, parse_moment
from assess_core.errors import BadCorrection, BadTime

MOST_BYTES: Final = 1024**2
_MOST_ITEMS: Final = 1000
_ID_BYTES: Final = 1024
_MOST_MARKS: Final = 1e9
_SHOWN: Final = 100
"""Characters of a wrong value that a message quotes."""
_EXAMPLES: Final = "docs/corrections.md has examples"

Response = list[dict[str, str]]
"""What a learner chose or wrote (`resvalues`)."""


class Mark(msgspec.Struct, frozen=True, gc=False):
    """The part of an answer that corrections read."""

    id: str
    score: float
    max_score: float
    resvalues: Response


class FullMarks(msgspec.Struct, frozen=True, tag_field="kind", tag="full-marks", forbid_unknown_fields=True):
    """Every answer gets its maximum."""


class Drop(msgspec.Struct, frozen=True, tag_field="kind", tag="drop", forbid_unknown_fields=True):
    """The answers do not count: neither their score nor their maximum."""


class Maximum(msgspec.Struct, frozen=True, tag_field="kind", tag="maximum", forbid_unknown_fields=True):
    """Another maximum. Scores stay, but none is higher than the new maximum."""

    maximum: float


class Scale(msgspec.Struct, frozen=True, tag_field="kind", tag="scale", forbid_unknown_fields=True):
    """Another maximum. Scores grow or shrink in the same proportion."""

    maximum: float


class Key(msgspec.Struct, frozen=True, tag_field="kind", tag="key", forbid_unknown_fields=True):
    """Another key: an answer with one of these responses gets its maximum, every other answer gets 0."""

    responses: list[Response]


Rule = FullMarks | Drop | Maximum | Scale | Key


def rule_text(rule: Rule) -> str:
    """A rule in words, for example `scale to a maximum of 8`."""
    match rule:
        case FullMarks():
            return "full marks"
        case Drop():
            return "drop the question"
        case Maximum(maximum):
            return f"a maximum of {maximum:g}"
        case Scale(maximum):
            return f"scale to a maximum of {maximum:g}"
        case Key(responses):
            return f"another key, with {counted(len(responses), 'right response')}"


class Correction(msgspec.Struct, frozen=True):
    """A rule, and the answers that it applies to: those to one question in the attempts of its scope."""

    assessment: str
    question: str
    rule: Rule
    course: str | None = None
    batches: tuple[str, ...] = ()
    """Empty: all batches."""
    attempted_from: int | None = None
    """The first moment of an attempt (epoch ms)."""
    attempted_to: int | None = None
    """The first moment after the attempts (epoch ms)."""

    def concerns(self, batches: Collection[str], course: str | None = None) -> bool:
        """Whether attempts in these batches, of this course or of all courses, can be in the scope."""
        return (not self.batches or not set(batches).isdisjoint(self.batches)) and (
            course is None or self.course in (None, course)
        )

    def covers(self, row: AttemptVersion) -> bool:
        """Whether an attempt is in the scope."""
        key = row.key
        return self.includes(key.content_id, key.course_id, key.batch_id, row.version.last_attempted_on)

    def includes(self, assessment: str, course: str, batch: str, attempted: int) -> bool:
        """Whether an attempt of that moment (epoch ms) is in the scope."""
        return (
            assessment == self.assessment
            and self.course in (None, course)
            and (not self.batches or batch in self.batches)
            and (self.attempted_from is None or attempted >= self.attempted_from)
            and (self.attempted_to is None or attempted < self.attempted_to)
        )


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A correction as its author writes it."""

    assessment: str
    question: str
    course: str | None = None
    batches: list[str] = []
    attempted_from: str | None = None
    attempted_to: str | None = None
    rule: Rule


class Totals(NamedTuple):
    """Score and maximum score of an attempt."""

    score: float
    max_score: float


_decode = msgspec.json.Decoder(_File).decode
_decode_marks = msgspec.json.Decoder(list[Mark]).decode
_decode_answers = msgspec.json.Decoder(list[Answer]).decode


class _Batches(msgspec.Struct):
    batches: list[str] | msgspec.UnsetType = msgspec.UNSET


_decode_batches = msgspec.json.Decoder(_Batches).decode


def read_correction(content: bytes, where: str) -> Correction:
    """The correction in a file that a person or a program wrote. Raises `BadCorrection`, as `parse_correction` does.

    An empty list of batches is refused: whoever made it may have looked for batches and found none.
    """
    correction = parse_correction(content, where)
    if not correction.batches and _decode_batches(without_mark(content)).batches is not msgspec.UNSET:
        raise BadCorrection(f"{where}: batches: the list is empty; name batches, or leave batches out for all of them")
    return correction


def parse_correction(content: bytes, where: str) -> Correction:
    """The correction in a file. Raises `BadCorrection`; `where` is the file's name in the message."""
    try:
        return _parsed(content)
    except (BadCorrection, BadTime) as error:
        raise BadCorrection(f"{where}: {error}") from None


def _parsed(content: bytes) -> Correction:
    if len(content) > MOST_BYTES:
        raise BadCorrection(f"the file has more than {MOST_BYTES:,} bytes; write one correction of one question")
    if is_too_deep(content):
        raise BadCorrection(f"the JSON is nested too deeply; {_EXAMPLES}")
    try:
        file = _decode(without_mark(content))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadCorrection(f"{_short(str(error))}; {_EXAMPLES}") from None
    _require_ids(file)
    _require_numbers(file.rule)
    first = None if file.attempted_from is None else parse_moment(file.attempted_from, "attemptedFrom")
    end = None if file.attempted_to is None else parse_moment(file.attempted_to, "attemptedTo")
    if first is not None and end is not None and first >= end:
        raise BadCorrection("attemptedTo: it must be after attemptedFrom; attempts of that very moment are left out")
    batches = tuple(sorted(set(file.batches)))
    return Correction(file.assessment, file.question, file.rule, file.course, batches, first, end)


def correction_text(correction: Correction) -> bytes:
    """The file of a correction as JSON: what `parse_correction` reads. Equal corrections have the same text."""
    return msgspec.json.encode(
        _File(
            assessment=correction.assessment,
            question=correction.question,
            course=correction.course,
            batches=list(correction.batches),
            attempted_from=None if correction.attempted_from is None else iso(correction.attempted_from),
            attempted_to=None if correction.attempted_to is None else iso(correction.attempted_to),
            rule=correction.rule,
        )
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _require_ids(file: _File) -> None:
    if len(file.batches) > _MOST_ITEMS:
        raise BadCorrection(
            f"batches: {len(file.batches):,} are named, and {_MOST_ITEMS:,} are allowed; leave batches out"
        )
    ids = [("assessment", file.assessment), ("question", file.question), ("course", file.course)]
    for name, id_ in [*ids, *(("batches", batch) for batch in file.batches)]:
        if id_ is not None and not 0 < len(id_.encode()) <= _ID_BYTES:
            raise BadCorrection(f"{name}: {_short(id_)!r} is no id; an id has 1 to {_ID_BYTES:,} bytes")


def _require_numbers(rule: Rule) -> None:
    if isinstance(rule, Maximum | Scale) and not 0 < rule.maximum <= _MOST_MARKS:
        raise BadCorrection(
            f"maximum: {rule.maximum:g} is not a number above 0 and up to {_MOST_MARKS:,.0f}; write another one, or "
            'use {"kind": "drop"} if the question does not count'
        )
    if isinstance(rule, Key) and not 0 < len(rule.responses) <= _MOST_ITEMS:
        raise BadCorrection(f"responses: {len(rule.responses):,} are given; give 1 to {_MOST_ITEMS:,}")


def marks_of(row: AttemptVersion) -> list[Mark]:
    """The marks of a version's answers, ordered by question id."""
    return _decode_marks(row.question)


def corrected(row: AttemptVersion, marks: Sequence[Mark], corrections: Sequence[Correction]) -> Totals:
    """The totals of a version under these corrections, applied in this order. `marks` are those of the version.

    Totals are the sums of the marks. Rows of older systems can have other totals; those change by what their marks
    change.
    """
    return _totals_of(row, marks, _changed(row, marks, corrections))


def corrected_version(row: AttemptVersion, corrections: Sequence[Correction]) -> AttemptVersion:
    """The version with the answers and totals that count under these corrections, applied in this order.

    Key and `version`, also the content hash, stay those of the submission. An answer that does not count has score and
    maximum 0.
    """
    if not any(correction.covers(row) for correction in corrections):
        return row
    marks = marks_of(row)
    changed = _changed(row, marks, corrections)
    if all(new is old for new, old in zip(changed, marks, strict=True)):  # equal marks can differ: 0.0 and -0.0
        return row
    answers = [
        msgspec.structs.replace(answer, score=mark.score if mark else 0.0, max_score=mark.max_score if mark else 0.0)
        for answer, mark in zip(_decode_answers(row.question), changed, strict=True)
    ]
    score, max_score = totals = _totals_of(row, marks, changed)
    is_same = totals == (row.total_score, row.total_max_score)
    return msgspec.structs.replace(
        row,
        total_score=score,
        total_max_score=max_score,
        grand_total=row.grand_total if is_same else grand_total(score, max_score),
        question=question_text(answers).decode(),
    )


def _changed(row: AttemptVersion, marks: Sequence[Mark], corrections: Sequence[Correction]) -> Sequence[Mark | None]:
    """The marks that count, in the same places; None for a mark that does not count."""
    changed: list[Mark | None] = list(marks)
    for correction in corrections:
        if correction.covers(row):
            changed = [mark and _applied(correction, mark) for mark in changed]
    return changed


def _totals_of(row: AttemptVersion, marks: Sequence[Mark], changed: Sequence[Mark | None]) -> Totals:
    stored = Totals(row.total_score, row.total_max_score)
    before, after = _sums(marks), _sums([mark for mark in changed if mark is not None])
    return Totals(*map(_corrected_total, stored, before, after))


def _corrected_total(stored: float, before: float, after: float) -> float:
    """A total whose marks had the sum `before` and now have the sum `after`."""
    if before == after:
        return stored
    return after if stored == before else stored + (after - before)


def _sums(marks: Sequence[Mark]) -> Totals:
    return Totals(total(mark.score for mark in marks), total(mark.max_score for mark in marks))


def _applied(correction: Correction, mark: Mark) -> Mark | None:
    """The mark under a correction; None if it does not count."""
    if mark.id != correction.question:
        return mark
    match correction.rule:
        case FullMarks():
            return msgspec.structs.replace(mark, score=mark.max_score)
        case Drop():
            return None
        case Maximum(maximum):
            return msgspec.structs.replace(mark, score=min(mark.score, maximum), max_score=maximum)
        case Scale(maximum):
            score = _scaled(mark, maximum)
            # an attempt that arrives later can have an answer that has no proportion
            return mark if score is None else msgspec.structs.replace(mark, score=score, max_score=maximum)
        case Key() as key:
            return msgspec.structs.replace(mark, score=mark.max_score if accepts(key, mark) else 0.0)


def accepts(key: Key, mark: Mark) -> bool:
    """Whether an answer has one of the key's responses."""
    return mark.resvalues in key.responses


def require_scalable(
    row: AttemptVersion, marks: Sequence[Mark], corrections: Sequence[Correction], in_force: Sequence[Correction] = ()
) -> None:
    """Raise `BadCorrection` if a correction cannot scale an answer of this version, and so leaves it as it is.

    The corrections apply after those in force, which may leave answers as they are.
    """
    for number, correction in enumerate(corrections):
        if not isinstance(correction.rule, Scale) or not correction.covers(row):
            continue
        for mark in _changed(row, marks, [*in_force, *corrections[:number]]):
            if mark and mark.id == correction.question and _scaled(mark, correction.rule.maximum) is None:
                raise BadCorrection(
                    f"rule scale: an answer to question {_short(mark.id)!r} has the score {mark.score:g} and the "
                    f"maximum {mark.max_score:g}, so it cannot be scaled; use the rule maximum, or narrow the scope"
                )


def _scaled(mark: Mark, maximum: float) -> float | None:
    """The score of a scaled mark; None if it has no proportion."""
    if not mark.max_score:
        return None
    # dividing first keeps a full score full
    score = mark.score / mark.max_score * maximum
    return score if isfinite(score) else None
