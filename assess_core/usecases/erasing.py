"""Use case: erase learners from an installation.

    order in the register -> reports -> hot store -> lake -> old files and tickets -> history of runs -> receipt

Encrypted reports are found by the slices of the learners, so reports come before the hot store and the lake.

The order is in force before the first destructive step, so whatever comes later about a learner is refused
(`erased.py`). Every step can be repeated. A process that is killed anywhere is finished by running it again.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from assess_core.chunks import chunks
from assess_core.domain.completeness import SIDECAR_ENDING
from assess_core.domain.counts import counted
from assess_core.domain.erasing import (
    ChangedFile,
    Mentions,
    Order,
    Place,
    Receipt,
    Remaining,
    beginnings,
    fingerprint,
    is_order,
    keyed_hash,
    order_of,
    orders,
    require_order,
    signed,
    without_names,
)
from assess_core.domain.events import FailedEvent, learner_of
from assess_core.domain.manifest import by_slice
from assess_core.domain.moments import iso
from assess_core.domain.register import ABOUT_LEARNERS, Kind, Record
from assess_core.domain.report_jobs import Job
from assess_core.domain.slices import IsoWeek
from assess_core.errors import LinkExpired, VerifyFailed
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.erasures import Besides, HotErased, StoredFile, Text
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake
from assess_core.ports.reports import Exhausts
from assess_core.ports.requests import Requests
from assess_core.ports.scores import shown
from assess_core.ports.stores import Stores
from assess_core.usecases.erased import erase_from_hot, erased_under, keys_in_use
from assess_core.usecases.erasing_lake import (
    FilesErased,
    LakeErased,
    erase_from_old_files,
    erase_from_weeks,
    require_no_writing_ticket,
    slices_with,
)
from assess_core.usecases.holds import require_no_hold
from assess_core.usecases.proving import product_version
from assess_core.usecases.registering import agree, enter

_FAILED: Final = 500  # failed events that are deleted at once
_LEARNERS: Final = 2000


class Step(StrEnum):
    """What is done when a step is reported."""

    ORDERED = "order entered"
    FAILED = "failed events"
    """Failed events that name the learners are deleted."""
    REGISTER = "records and requests for reports"
    """Holds on the learners and requests for reports that name them are deleted."""
    REPORTS = "reports"
    HOT = "hot store"
    WEEKS = "weeks of the lake"
    FILES = "old files of the lake"
    RUNS = "records of Dagster"
    """What the scheduler remembers is searched."""


class Done(NamedTuple):
    """What each step found and deleted."""

    failed: int
    records: int
    jobs: int
    hot: HotErased
    lake: LakeErased
    files: FilesErased
    reports: list[ChangedFile]
    remaining: list[Remaining]


Reached = Callable[[Step], None]


def _ignored(step: Step) -> None:
    """The caller does not follow the steps."""


def erase(
    stores: Stores, besides: Besides, user_ids: Collection[str], order: Order, *, reached: Reached = _ignored
) -> Receipt:
    """Erase learners, and return the signed receipt. `order.at` is now (epoch ms).

    Raises `BadErasure`, `HoldInForce`, `ErasureRefused`, `VerifyFailed` if weeks of the lake could not be touched
    (everything else is done then), `StoreUnavailable`.
    """
    users = sorted(set(user_ids))
    require_order(users, order.by, order.reason)
    require_no_hold(stores.hot, users, order.at)
    require_no_writing_ticket(stores.lake, order.at)
    key = stores.keys.create()[0]
    _enter_orders(stores, key, users, order)
    reached(Step.ORDERED)
    done = _erase(stores, besides, users, order.at, reached)
    if done.lake.refused:
        raise VerifyFailed(
            f"{done.lake.refused[0]}; "
            f"the learners are still in {counted(len(done.lake.refused), 'week')}: repair the lake, then erase "
            "again; there is no receipt yet"
        )
    return signed(_receipt(stores, users, key, order, done), key)


def _enter_orders(stores: Stores, key: str, users: Collection[str], order: Order) -> None:
    """Enter the orders, unless a hold was entered meanwhile. A hold that comes now waits until they are in force."""
    begun = beginnings(key, users, order.at)
    stores.hot.register.add(begun)
    try:
        require_no_hold(stores.hot, users, order.at)
        enter(stores.hot, stores.lake, orders(key, _not_ordered(users, stores), order))
    finally:
        stores.hot.register.remove(begun)


def remembered(stores: Stores) -> set[str]:
    """The learners that were erased and are stored again, because a backup was restored. Reads all learners.

    First, orders that only the lake has come into force: the backup of the hot store may be older than they are.
    """
    agree(stores.hot, stores.lake, stores.keys)
    used = keys_in_use(stores.hot, stores.keys)
    if not used:
        return set()
    in_hot = chunks((user_id for user_id, _ in stores.hot.all_learners()), _LEARNERS)
    found: set[str] = set()
    for some in chain(in_hot, stores.lake.traces.learners()):
        checkpoint()
        found |= erased_under(used, some, stores.hot)
    return found


def count(stores: Stores, user_ids: Collection[str], order: Order) -> dict[str, int]:
    """What an erasure would find, by place. Nothing is changed. Raises what `erase` raises before it begins."""
    require_order(user_ids, order.by, order.reason)
    require_no_hold(stores.hot, user_ids, order.at)
    require_no_writing_ticket(stores.lake, order.at)
    mentions = Mentions(user_ids)
    learners = stores.hot.learners(user_ids)
    stored = stores.lake.traces.stored(user_ids)
    return {
        "learners that the hot store knows": len(learners),
        "versions that their maps name": sum(len(learner.entries) for learner in learners.values()),
        "failed events": sum(1 for _ in _naming(stores.hot.every_failed(), mentions)),
        "weeks of the lake": len(_weeks_with(user_ids, stores.lake)),
        "files of the lake": len(stored),
        "rows in these files": sum(file.rows for file in stored),
        "reports": sum(are_in(texts, mentions) for _, texts in stores.exhausts.texts()),
    }


def _erase(stores: Stores, besides: Besides, users: Collection[str], now: int, reached: Reached) -> Done:
    mentions = Mentions(users)
    failed = _remove_failed(stores.hot, mentions)
    reached(Step.FAILED)
    records = _remove_records(stores, users, mentions)
    jobs = _remove_jobs(besides.requests, mentions)
    reached(Step.REGISTER)
    slices = {entry.row_key.slice for each in stores.hot.learners(users).values() for entry in each.entries}
    slices |= slices_with(users, stores.lake)
    reports = _remove_reports(stores.exhausts, mentions, {*map(str, slices)})
    reached(Step.REPORTS)
    hot = erase_from_hot(users, stores.hot)
    stays = stores.hot.scrub()
    reached(Step.HOT)
    lake = erase_from_weeks(users, stores.lake, now)
    reached(Step.WEEKS)
    files = FilesErased([], [], [])
    if not lake.refused:
        files = erase_from_old_files(users, mentions, stores.lake, now)
    reached(Step.FILES)
    reports += [
        ChangedFile(name=each.name, sha256=each.sha256, rows=each.rows) for each in besides.runs.erase(mentions.are_in)
    ]
    reached(Step.RUNS)
    named = (("hot store", stays), ("Dagster", besides.runs.remaining))
    remaining = [Remaining(what=what, until=until) for what, until in named if until]
    return Done(failed, records, jobs, hot, lake, files, reports, remaining)


def _not_ordered(users: Collection[str], stores: Stores) -> list[str]:
    """The learners without an order. An order is never written twice, also not under another key."""
    known = {record.topic for record in _orders_of(users, stores)}
    ring = stores.keys.all()
    return [user for user in users if not any(keyed_hash(key, user) in known for key in ring)]


def _orders_of(users: Collection[str], stores: Stores) -> list[Record]:
    topics = [keyed_hash(key, user) for key in stores.keys.all() for user in users]
    return [record for record in stores.hot.register.of(Kind.ERASURE, topics) if is_order(record)]


def _remove_failed(hot: HotStore, mentions: Mentions) -> int:
    """Delete the failed events that name learners; returns their number."""
    removed = 0
    for some in chunks(_naming(hot.every_failed(), mentions), _FAILED):
        hot.remove_failed([event.key for event in some])
        removed += len(some)
    return removed


def _naming(events: Iterator[FailedEvent], mentions: Mentions) -> Iterator[FailedEvent]:
    for event in events:
        checkpoint()
        if is_about(event, mentions):
            yield event


def is_about(event: FailedEvent, mentions: Mentions) -> bool:
    """Whether a failed event names learners."""
    learner = learner_of(event)
    return mentions.are_in_event(event.raw, learner) or mentions.are_in_event(event.message.encode(), learner)


def asks_about(job: Job, mentions: Mentions) -> bool:
    """Whether a request for a report names learners."""
    request = job.request
    return mentions.are_one_of(request.requester, request.spec.learner) or mentions.are_in_event(
        msgspec.json.encode(job), request.requester
    )


def _remove_records(stores: Stores, users: Collection[str], mentions: Mentions) -> int:
    """Remove holds on learners from both registers, and their ids from texts of other records.

    Other records stay in force. Returns how many records were removed or rewritten.
    """
    changed: set[tuple[str, str, str]] = set()
    for register in (stores.hot.register, stores.lake.register):
        records = [record for kind in Kind for record in register.all(kind)]
        gone = [record for record in records if record.kind in ABOUT_LEARNERS and record.topic in users]
        new = [without_names(record, mentions) for record in records]
        renamed = [after for before, after in zip(records, new, strict=True) if after != before]
        register.rewrite(renamed)
        register.remove(gone)
        changed.update(record[:3] for record in (*gone, *renamed))
    return len(changed)


def _remove_jobs(requests: Requests, mentions: Mentions) -> int:
    """Delete the requests for reports about learners; returns their number."""
    found = [job for job in requests.every() if asks_about(job, mentions)]
    requests.remove(found)
    return len(found)


def _remove_reports(exhausts: Exhausts, mentions: Mentions, slices: Collection[str]) -> list[ChangedFile]:
    """Delete the reports, previews and sidecars that hold an id, and encrypted reports that read these slices."""
    exhausts.delete_temporaries()  # a part of a compressed file cannot be decoded
    found = {name for name, texts in exhausts.texts() if are_in(texts, mentions)}
    for name, _ in exhausts.texts():
        if name.endswith(SIDECAR_ENDING) and _is_encrypted_with(b"".join(_chunks(exhausts, name)), slices):
            found |= {name, name.removesuffix(SIDECAR_ENDING)}
    deleted: list[ChangedFile] = []
    for name in sorted(found):
        digest, size = hashlib.sha256(), 0
        for chunk in _chunks(exhausts, name):
            digest.update(chunk)
            size += len(chunk)
        exhausts.delete(name)
        if size:
            deleted.append(ChangedFile(name=f"reports/{name}", sha256=digest.hexdigest()))
    return deleted


def _chunks(exhausts: Exhausts, name: str) -> Iterator[bytes]:
    """The bytes of a report; none if another process has deleted it since."""
    with suppress(LinkExpired):
        yield from exhausts.read(name).chunks


def _is_encrypted_with(sidecar: bytes, slices: Collection[str]) -> bool:
    """Whether a sidecar is that of an encrypted report that read one of these slices: nobody can look into it."""
    try:
        found = msgspec.json.decode(sidecar, type=_Encrypted)
    except msgspec.DecodeError:  # another file
        return False
    return found.encrypted and any(each.slice in slices for each in found.slices.each)


class _Slice(msgspec.Struct):
    slice: str


class _Slices(msgspec.Struct):
    each: list[_Slice]


class _Encrypted(msgspec.Struct):
    """The parts of a sidecar that say whether its report must go."""

    encrypted: bool
    slices: _Slices


def are_in(texts: Iterable[Text], mentions: Mentions) -> bool:
    """Whether something that is stored mentions learners."""
    for text in texts:
        checkpoint()
        if mentions.are_within(text.bytes) if text.is_raw else mentions.are_in(text.bytes):
            return True
    return False


def _receipt(stores: Stores, users: Collection[str], key: str, order: Order, done: Done) -> Receipt:
    hot = erase_from_hot(users, stores.hot)  # finds nothing, and would delete it
    weeks = stores.lake.weeks_with(stores.lake.pin(), users)
    scores = stores.lake.weeks_with(stores.lake.pin_scores(), users)
    entered = [order_of(record).at for record in _orders_of(users, stores)]
    rows = sum(done.lake.slices.values())
    verified = (record.verified for record in by_slice(stores.lake.manifest(list(done.lake.slices))).values())
    new = {name: sha256 for entry in verified if entry for name, sha256 in entry.files.items()}
    return Receipt(
        key=fingerprint(key),
        learners=sorted(keyed_hash(key, user) for user in users),
        by=order.by,
        reason=order.reason,
        ordered_at=iso(min(entered, default=order.at)),
        finished_at=iso(order.at),
        product=product_version(),
        places=[
            *(
                Place(name=f"hot store: {name}", before=before, after=after, what="rows")
                for (name, before), after in zip(done.hot._asdict().items(), hot, strict=True)
            ),
            Place(name="hot store: failed events", before=done.failed, after=0, what="events"),
            Place(name="register", before=done.records, after=0, what="records"),
            Place(name="requests for reports", before=done.jobs, after=0, what="requests"),
            Place(name="lake: attempts", before=rows, after=len(weeks), what="rows"),
            Place(name="lake: kept scores", before=sum(done.lake.scores.values()), after=len(scores), what="rows"),
            Place(name="lake: old files", before=len(done.files.deleted), after=0, what="files"),
            Place(name="lake: tickets", before=len(done.files.tickets), after=0, what="tickets"),
            Place(name="reports and history of runs", before=len(done.reports), after=0, what="files"),
        ],
        files_before=[
            *(ChangedFile(name=_place(file), sha256=file.sha256, rows=file.rows) for file in done.files.deleted),
            *done.reports,
        ],
        files_after=[
            *(ChangedFile(name=f"lake/attempts: {name}", sha256=sha256) for name, sha256 in sorted(new.items())),
            *(ChangedFile(name=_place(file), sha256=file.sha256) for file in done.files.rewritten),
        ],
        slices={
            str(slice_): done.lake.slices.get(slice_, 0) + done.lake.scores.get(slice_, 0)
            for slice_ in sorted({*done.lake.slices, *done.lake.scores})
        },
        remaining=[
            *done.remaining,
            Remaining(
                what="log", until="the records stay until the retention of the log deletes them; a replay erases"
            ),
            Remaining(
                what="backups", until="copies of the stores that were made before; a restored one is erased again"
            ),
        ],
    )


def _place(file: StoredFile) -> str:
    return f"lake/{shown(file.name)}"


def _weeks_with(user_ids: Collection[str], lake: Lake) -> set[IsoWeek]:
    """The weeks with rows or kept scores of learners."""
    return {week for pinned in (lake.pin(), lake.pin_scores()) for week in lake.weeks_with(pinned, user_ids)}
