"""Use case: list whose scores corrections would change, without changing anything.

The attempts are read twice from one union: first to refuse corrections that match nothing or cannot be applied, then to
list the changes. So a refused correction lists nothing. Memory holds one learner's attempts at one assessment. Only the
second read sorts the answers.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Correction, Key, accepts, marks_of, require_scalable
from assess_core.domain.regrading import Regrade, Regraded
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.errors import BadCorrection
from assess_core.ports.stores import Stores
from assess_core.usecases.completeness import survey, survey_log
from assess_core.usecases.corrections_in_force import corrections_of
from assess_core.usecases.exhaust import matching_batches, require_known


class NamedCorrection(NamedTuple):
    """A correction with the name of its file, for messages."""

    name: str
    correction: Correction


@contextmanager
def regraded(stores: Stores, named: Sequence[NamedCorrection]) -> Iterator[Iterator[Regraded]]:
    """The learners with an attempt that the corrections change, ordered by batch, learner, course and assessment.

    The corrections apply in the given order, after those in force. Stores and lake are read like a report. Raises
    `BadCorrection`, `UnknownBatch`, `ReportFailed`, `BadLog`, `StoreUnavailable`, `NotOurTable`.
    """
    corrections = [each.correction for each in named]
    spec = _spec(corrections)
    batches = matching_batches(stores, spec)
    decided = corrections_of(stores.hot.register, batches, assessments=spec.assessments)
    in_force = [each.correction for each in decided]
    survey_log(stores.log, allow_partial=False)
    with stores.union(batches=None if spec.batch_pattern else batches) as union:
        found = survey(stores, union, batches, allow_partial=False)
        require_known(stores, batches, found.with_rows)
        _require_matches(named, in_force, union.selected(spec, is_ordered=False))
        yield _changes(corrections, in_force, union.selected(spec))


def _spec(corrections: Sequence[Correction]) -> ReportSpec:
    """The attempts to read: all that can decide a best score, also outside the dates of a scope."""
    everywhere = not all(correction.batches for correction in corrections)
    return ReportSpec(
        report=Report.SCORE,
        batches=() if everywhere else tuple(sorted({id_ for each in corrections for id_ in each.batches})),
        batch_pattern="*" if everywhere else None,
        assessments=tuple(sorted({correction.assessment for correction in corrections})),
    )


def _require_matches(
    named: Sequence[NamedCorrection], in_force: Sequence[Correction], rows: Iterable[AttemptVersion]
) -> None:
    """Raise `BadCorrection` for a correction that matches nothing, or that cannot be applied to an attempt."""
    corrections = [each.correction for each in named]
    covered, answered, accepted = set[int](), set[int](), set[int]()
    for row in rows:
        marks = marks_of(row)
        require_scalable(row, marks, corrections, in_force)
        for number, correction in enumerate(corrections):
            if number in accepted or not correction.covers(row):
                continue
            covered.add(number)
            of_question = [mark for mark in marks if mark.id == correction.question]
            answered.update([number] * bool(of_question))
            rule = correction.rule
            if any(not isinstance(rule, Key) or accepts(rule, mark) for mark in of_question):
                accepted.add(number)
    for number, (name, correction) in enumerate(named):
        if number not in covered:
            raise BadCorrection(
                f"{name}: no attempt at assessment {correction.assessment!r} is in the scope; check the assessment, "
                "course, batches and dates"
            )
        if number not in answered:
            raise BadCorrection(
                f"{name}: no attempt in the scope has an answer to question {correction.question!r}; check its id: "
                "the response report lists the questions"
            )
        if number not in accepted:
            raise BadCorrection(
                f"{name}: no answer in the scope has one of the key's responses; copy them from the column Question "
                "Response of the response report"
            )


def _changes(
    corrections: Sequence[Correction], in_force: Sequence[Correction], rows: Iterable[AttemptVersion]
) -> Iterator[Regraded]:
    attempts = (Regrade.of(row, corrections, in_force) for row in rows)
    for key, group in groupby(attempts, key=lambda attempt: attempt.now.key):
        found = Regraded.of(key, list(group))
        if found.changed:
            yield found
