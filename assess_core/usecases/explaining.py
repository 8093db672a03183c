"""Use case: explain a score: which versions were accepted, which one counts and why, where each lies, what proves it.

The cost grows with the learner's versions and with the weeks of the batch. The log is searched for 64 MiB at most.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.attempts import Answer, AttemptVersion, RowKey, with_totals
from assess_core.domain.correction_records import Decided
from assess_core.domain.events import Accepted, Record, decode
from assess_core.domain.explanation import Judged, Judgement, judge
from assess_core.domain.manifest import Action, ManifestEntry, broken, by_slice
from assess_core.domain.scores import Entry
from assess_core.domain.slice_status import SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import AssessError
from assess_core.ports.ledger import LogOffset
from assess_core.ports.log import Log
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import known, views_of
from assess_core.usecases.corrected_entries import corrected_entries
from assess_core.usecases.corrections_in_force import read_corrections
from assess_core.usecases.ids import optional, required
from assess_core.usecases.learner_scores import entries_of
from assess_core.usecases.stored_versions import stored_versions

MOST_LOG_BYTES: Final = 64 * 1024 * 1024
"""How much of the log is read to find the events of the versions."""
_answers = msgspec.json.Decoder(tuple[Answer, ...]).decode


class Voucher(NamedTuple):
    """The newest manifest entry that vouches for a copy in the lake."""

    entry: ManifestEntry
    file_sha256: str | None
    """The SHA-256 of the file's bytes, from the newest entry that names the file; None if none does yet."""
    chain_problem: str | None
    """What is wrong with the slice's chain of entries; None if it is intact."""


class Copy(NamedTuple):
    """A stored copy of a version."""

    tier: str
    """`hot` or `lake`."""
    slice: ArchiveSlice
    received_at: int
    sound: bool
    """Whether the stored columns give the content hash again."""
    answers: tuple[Answer, ...]
    file: str | None = None
    row_group: int | None = None
    row: int | None = None
    voucher: Voucher | None = None


class Told(NamedTuple):
    """A version, where it lies, and the event that it came from."""

    judged: Judged
    slice: SliceView
    """The slice of its first receipt."""
    copies: tuple[Copy, ...]
    """Empty if it was dropped or is lost: the map names it, and no tier holds it."""
    event: LogOffset | None
    """Where the log has an event with this content; None if it was not found."""
    event_note: str
    """Why it was not found; empty if it was."""
    submitted: Entry
    """The version with the score that was submitted; `judged` has the score that counts."""
    corrections: tuple[Decided, ...]
    """The corrections in force that cover it, in the order in which they apply; none if it is superseded."""

    @property
    def dropped_at(self) -> int | None:
        """When retention dropped it (epoch ms); None if it did not."""
        return None if self.copies else self.slice.dropped_at

    @property
    def scores_kept_at(self) -> int | None:
        """When retention kept its score without answers (epoch ms); None if it did not."""
        return None if self.copies else self.slice.scores_kept_at


class Explanation(NamedTuple):
    """A score and everything behind it."""

    judgement: Judgement
    versions: tuple[Told, ...]
    """In the order of the judgement."""


def explain(
    stores: Stores,
    now: int,
    grace: int,
    user_id: str,
    assessment_id: str,
    course_id: str | None = None,
    batch_id: str | None = None,
) -> list[Explanation]:
    """An explanation for each course and batch in which the learner has a score; empty if there is none.

    `now` and `grace` are in ms. Raises `BadRequest`, `StoreUnavailable`, `ReportFailed` for a damaged lake.
    """
    entries = entries_of(
        stores.hot,
        required("userId", user_id),
        optional("courseId", course_id),
        optional("batchId", batch_id),
        required("assessmentId", assessment_id),
    )
    corrections = read_corrections(stores.hot.register, {entry.key.assessment_id for entry in entries})
    find = partial(stored_versions, stores)
    judgements = judge(corrected_entries(stores.hot, entries, corrections, find))
    submitted = {entry.version.content_hash: entry for entry in entries}
    events, note = _events(stores.log, [judged.entry for found in judgements for judged in found.versions])

    def told(judged: Judged, slice_: SliceView, copies: Iterable[Copy]) -> Told:
        hash_ = judged.entry.version.content_hash
        event, covering = events.get(hash_), corrections.covering(judged.entry) if judged.counts else ()
        return Told(judged, slice_, tuple(copies), event, "" if event else note, submitted[hash_], tuple(covering))

    return [_explanation(stores, now, grace, found, told) for found in judgements]


def _explanation(
    stores: Stores,
    now: int,
    grace: int,
    judgement: Judgement,
    told: Callable[[Judged, SliceView, Iterable[Copy]], Told],
) -> Explanation:
    entries = [judged.entry for judged in judgement.versions]
    batch = sorted({*known(stores, judgement.key.batch_id), *(entry.row_key.slice for entry in entries)})
    copies = _copies(stores, entries, batch)
    holding = (copy.slice for of_version in copies.values() for copy in of_version)
    needed = sorted({*(entry.row_key.slice for entry in entries), *holding})
    manifest = stores.lake.manifest(needed)
    views = {view.slice: view for view in views_of(needed, by_slice(manifest), stores, now, grace, stores.log.unread())}
    problems = broken(manifest)
    versions = []
    for judged in judgement.versions:
        of_version = copies.get(judged.entry.version.content_hash, ())
        vouched = (_vouched(copy, manifest, problems) for copy in of_version)
        versions.append(told(judged, views[judged.entry.row_key.slice], vouched))
    return Explanation(judgement, tuple(versions))


def _copies(stores: Stores, entries: Sequence[Entry], batch: Sequence[ArchiveSlice]) -> dict[bytes, list[Copy]]:
    """The copies of these versions by content hash, in all slices of their batch: first the hot store, then the lake.

    A row that a clear deletes in between is in the lake already.
    """
    found: dict[bytes, list[Copy]] = {}
    keys = [
        RowKey(slice_, entry.row_key.key, entry.version, entry.received_at) for entry in entries for slice_ in batch
    ]
    for row in stores.hot.get(keys):
        found.setdefault(row.version.content_hash, []).append(_copy("hot", row))
    hashes, weeks = [entry.version.content_hash for entry in entries], {slice_.week for slice_ in batch}
    first = entries[0].key
    for located in stores.union.located(first.batch_id, weeks, first.user_id, hashes):
        copy = _copy("lake", located.version)
        copy = copy._replace(file=located.file, row_group=located.row_group, row=located.row)
        found.setdefault(located.version.version.content_hash, []).append(copy)
    return found


def _copy(tier: str, row: AttemptVersion) -> Copy:
    totals = (row.total_score, row.total_max_score, row.grand_total)
    again = with_totals(row.key, row.version.last_attempted_on, totals, row.question.encode(), row.received_at)
    return Copy(tier, row.slice, row.received_at, again.version == row.version, _answers(row.question))


def _vouched(copy: Copy, manifest: Iterable[ManifestEntry], problems: Mapping[ArchiveSlice, str]) -> Copy:
    """The copy with the newest archived or verified entry of its slice."""
    if copy.file is None:
        return copy
    proving = (Action.ARCHIVED, Action.VERIFIED)
    of_slice = (entry for entry in manifest if entry.slice == copy.slice and entry.action in proving)
    entries = sorted(of_slice, key=lambda entry: entry.number)
    if not entries:
        return copy
    name = copy.file.rpartition("/")[2]
    digests = [entry.files[name] for entry in entries if name in entry.files]
    return copy._replace(voucher=Voucher(entries[-1], digests[-1] if digests else None, problems.get(copy.slice)))


def _events(log: Log, entries: Sequence[Entry]) -> tuple[dict[bytes, LogOffset], str]:
    """Where the log has the events of these versions, and why others were not found."""
    wanted = {entry.version.content_hash for entry in entries}
    names = {entry.key.user_id for entry in entries}
    found: dict[bytes, LogOffset] = {}
    read = 0
    try:
        for batch in log.received_at({entry.received_at for entry in entries}):
            for record in batch.records:
                hash_ = _hash_of(record, names)
                if hash_ is not None and hash_ in wanted:
                    found.setdefault(hash_, LogOffset(record.topic, record.partition, record.offset))
            read += batch.size
            if len(found) == len(wanted):
                break
            if read >= MOST_LOG_BYTES:
                return found, f"it is not in the {read // 1024**2:,} MiB of the log that were searched"
    except AssessError as error:
        return found, f"the log could not be searched: {error}"
    return found, "the log does not have it any more, or it was ingested from another place"


def _hash_of(record: Record, user_ids: Iterable[str]) -> bytes | None:
    """The content hash of a record of these learners. Decoding takes 50 times as long as the search for the id."""
    if not any(_may_name(record.raw, user_id) for user_id in user_ids):
        return None
    decoded = decode(record)
    return decoded.version.version.content_hash if isinstance(decoded, Accepted) else None


def _may_name(raw: bytes, user_id: str) -> bool:
    """Whether a JSON text can contain an id. With an escape it always can: JSON can escape any character."""
    return user_id.encode() in raw or b"\\" in raw
