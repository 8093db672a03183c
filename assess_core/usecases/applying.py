"""Use case: apply and revert corrections.

A correction is in force from the moment that its record is in the hot store, and every read counts with it. Then a
sweep writes the columns of scores that other programs read. It reads the learners' maps after the record was entered,
and a fold reads the record after it wrote its map entries, so one of the two sees both. A sweep that was killed is
completed by the same command, typed again. Memory is bounded by a portion of the attempts.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import structs

from assess_core.chunks import bounded, chunks
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.correction_records import (
    Corrections,
    Decision,
    Entered,
    carried_out_record,
    correction_record,
    revert_record,
)
from assess_core.domain.register import Kind, Record
from assess_core.domain.report_spec import Report, ReportSpec, Versions
from assess_core.domain.scores import ActivityKey, Entry, Summary, maps_of
from assess_core.errors import UnknownBatch, UnknownCorrection
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.hot_store import HotStore, Learner
from assess_core.ports.lake import Lake
from assess_core.ports.stores import Stores
from assess_core.usecases.completeness import survey
from assess_core.usecases.correcting import NamedCorrection, regraded
from assess_core.usecases.corrections_in_force import all_entered, read_corrections
from assess_core.usecases.deriving import derive_corrected, those_that_differ, write_activities
from assess_core.usecases.erased import erase_from_hot, erased_among, keys_in_use
from assess_core.usecases.exhaust import matching_batches
from assess_core.usecases.registering import agree, enter
from assess_core.usecases.stored_versions import StoredVersions, stored_versions

_SHOWN: Final = 100
"""Characters of an unknown id in a message."""
_ROWS: Final = 1000
_BYTES: Final = 8 * 1024 * 1024
"""A portion of the attempts, of so many rows or so many characters of answers."""


class Swept(NamedTuple):
    """What a sweep found and changed."""

    attempts: int
    """Versions that are in the scope."""
    scores: int
    """Scores of a learner at an assessment that changed."""


class Done(NamedTuple):
    """The result of `apply` and `revert`."""

    id: str
    is_new: bool
    """False if the decision was in the register already."""
    swept: Swept


def apply(stores: Stores, named: NamedCorrection, decided: Decision) -> Done:
    """Put a correction in force, and write the scores that follow from it.

    If it is in force already, only the scores are written again. Raises `BadCorrection` if it matches nothing or cannot
    be applied, `BadSettings` without the keys of erasures, and the errors of a dry run. Nothing is changed then.
    """
    hot, lake = stores.hot, stores.lake
    keys_in_use(hot, stores.keys)  # a sweep needs them
    agree(hot, lake, stores.keys)
    correction = named.correction
    before = read_corrections(hot.register, [correction.assessment]).entered.get(correction.assessment, ())
    record = correction_record(correction, decided, before)
    is_new = all(record.id != one.decided.id for one in before)
    if is_new:
        with regraded(stores, [named]):
            pass  # entering it refuses what a dry run refuses
        _enter(stores, record)
    return Done(record.id, is_new, sweep(stores, [_found(hot, record.id)]))


def revert(stores: Stores, id_: str, decided: Decision) -> Done:
    """End a correction, and write the scores that follow from it.

    If it is reverted already, only the scores are written again. Raises `UnknownCorrection`, `BadSettings`,
    `StoreUnavailable`.
    """
    hot, lake = stores.hot, stores.lake
    keys_in_use(hot, stores.keys)  # a sweep needs them
    agree(hot, lake, stores.keys)
    found = _found(hot, id_)
    if found.reverted is None:
        _enter(stores, revert_record(found.decided, decided))
    return Done(id_, found.reverted is None, sweep(stores, [_found(hot, id_)]))


def _enter(stores: Stores, record: Record) -> None:
    """Put a decision in force, as any process does that finds it in the lake alone."""
    stores.lake.register.add([record])
    agree(stores.hot, stores.lake, stores.keys)


def _found(hot: HotStore, id_: str) -> Entered:
    for one in all_entered(hot.register):
        if one.decided.id == id_:
            return one
    raise UnknownCorrection(f"there is no correction {id_[:_SHOWN]!r}; `assess correct list` lists them")


def sweep(stores: Stores, entered: Sequence[Entered]) -> Swept:
    """Write the scores of all learners with a version in the scope of these corrections, as they count now.

    Raises `ReportFailed` if the lake cannot be read, `VersionMissing`, `StoreUnavailable`. Can be repeated.
    """
    if not entered:
        return Swept(0, 0)
    corrections = read_corrections(stores.hot.register)
    spec = _spec(entered)
    attempts = scores = 0
    try:
        batches = matching_batches(stores, spec)
    except UnknownBatch:  # every learner in the scope was erased
        batches = []
    with stores.union(batches=None if spec.batch_pattern else batches) as union:
        survey(stores, union, batches, allow_partial=False)
        rows = (row for row in union.selected(spec) if any(one.decided.correction.covers(row) for one in entered))
        for some in bounded(rows, _ROWS, lambda row: len(row.question), _BYTES):
            checkpoint()
            attempts += len(some)
            scores += _derive_again(stores, {Entry.of(row).key.activity for row in some}, some, corrections)
    for touched in chunks(_dropped(stores, entered), _ROWS):
        scores += _derive_again(stores, set(touched), (), corrections)
    # the decisions that this sweep has followed, not those that came meanwhile
    done = {one.decided.id for one in entered}
    followed = [one for of in corrections.entered.values() for one in of if one.decided.id in done]
    enter(stores.hot, stores.lake, [carried_out_record(one, kind) for one in followed for kind in one.kinds])
    return Swept(attempts, scores)


def _spec(entered: Sequence[Entered]) -> ReportSpec:
    """All versions at these assessments: a superseded one does not count, but it makes the learner's view newer."""
    corrections = [one.decided.correction for one in entered]
    everywhere = not all(correction.batches for correction in corrections)
    return ReportSpec(
        report=Report.SCORE,
        batches=() if everywhere else tuple(sorted({id_ for each in corrections for id_ in each.batches})),
        batch_pattern="*" if everywhere else None,
        assessments=tuple(sorted({correction.assessment for correction in corrections})),
        versions=Versions.ALL,
    )


def _dropped(stores: Stores, entered: Sequence[Entered]) -> Iterator[ActivityKey]:
    """The activities with a version in the scope whose answers retention dropped: the union does not have it.

    Its score stays, but a fold must know that it stays under these decisions too. Reads all maps if anything was
    dropped.
    """
    dropped = set(stores.lake.dropped())
    for _, learner in stores.hot.all_learners() if dropped else ():
        checkpoint()
        found = (entry for entry in learner.entries if entry.row_key.slice in dropped)
        yield from {entry.key.activity for entry in found if any(one.decided.covers(entry) for one in entered)}


def _derive_again(
    stores: Stores, touched: Collection[ActivityKey], rows: Sequence[AttemptVersion], corrections: Corrections
) -> int:
    """Derive activities from the maps; returns how many scores changed. `rows` are found without a read."""
    hot = stores.hot
    learners = hot.learners({key.user_id for key in touched})
    maps = maps_of(entry for learner in learners.values() for entry in learner.entries)
    by_hash = {row.version.content_hash: row for row in rows}

    def find(entries: Sequence[Entry]) -> StoredVersions:
        others = [entry for entry in entries if entry.version.content_hash not in by_hash]
        found = stored_versions(stores, others) if others else StoredVersions({})
        return found._replace(rows={**by_hash, **found.rows})

    derived = derive_corrected(hot, touched, maps, corrections, find)
    summaries = those_that_differ(derived.summaries.values(), learners)
    if summaries:
        hot.put_summaries(summaries)
    write_activities(hot, derived.activities, ())
    if late := erased_among(learners.keys(), hot, stores.keys):  # erased while their scores were written
        erase_from_hot(late, hot)
    return sum(_is_another_score(summary, learners) for summary in summaries)


def _is_another_score(summary: Summary, learners: Mapping[str, Learner]) -> bool:
    """Whether it differs from the stored one in more than its clock, which each decision advances."""
    stored = learners[summary.key.user_id].summaries.get(summary.key)
    return stored is None or structs.replace(stored, versions=summary.versions) != summary


def unfinished(hot: HotStore) -> list[Entered]:
    """The corrections whose scores no sweep has written since they were entered or reverted."""
    done = {record.id for record in hot.register.all(Kind.CARRIED_OUT)}
    return [one for one in all_entered(hot.register) if carried_out_record(one, one.kinds[-1]).id not in done]


def forget_sweeps(hot: HotStore, lake: Lake) -> None:
    """Let every correction count as not swept, because the scores are lost."""
    for register in (hot.register, lake.register):
        register.remove(register.all(Kind.CARRIED_OUT))
