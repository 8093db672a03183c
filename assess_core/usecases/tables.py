"""The rows of the tables, as `assess table` prints them: columns named as in the stores, moments as ISO 8601 text."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from assess_core.domain.attempts import Answer, AttemptVersion
from assess_core.domain.events import FailedEvent
from assess_core.domain.moments import iso, iso_or_empty
from assess_core.domain.scores import Activity, Entry, Summary, SummaryKey
from assess_core.domain.slice_status import SliceView
from assess_core.errors import BadRequest
from assess_core.ports.hot_store import HotStore, Learner
from assess_core.ports.stores import Stores
from assess_core.usecases.corrections_in_force import corrections_in_force
from assess_core.usecases.ids import optional

Row = dict[str, object]


class Name(StrEnum):
    """The name of a table."""

    ATTEMPTS = "attempts"
    SUMMARIES = "summaries"
    ACTIVITY = "activity"
    FAILED = "failed"
    SLICES = "slices"


class Tier(StrEnum):
    """The source of attempts: all copies in the hot store, all copies in the lake, or the newest versions of both."""

    HOT = "hot"
    LAKE = "lake"
    ALL = "all"


_ATTEMPTS: Final = (
    *("batch_id", "year", "week", "user_id", "course_id", "content_id", "attempt_id"),
    *("last_attempted_on", "content_hash", "total_score", "total_max_score", "grand_total"),
    *("created_on", "updated_on", "question"),
)
_SUMMARIES: Final = (
    *("user_id", "assessment_id", "course_id", "batch_id", "attempts"),
    *("last_attempted_score", "total_max_score", "best_score", "min_score", "average_score", "attempts_count"),
    "updated_on",
)
_ACTIVITY: Final = (
    *("activity_type", "activity_id", "user_id", "context_id"),
    *("aggregates", "agg_details", "agg_last_updated"),
)
_FAILED: Final = ("topic", "partition", "offset", "received_at", "reason", "message", "raw")
_SLICES: Final = (
    *("slice", "batch_id", "year", "week", "status", "hot_rows", "lake_rows"),
    *("archived_at", "verified_at", "cleared_at", "why_open", "note"),
)

COLUMNS: Final = {
    Name.ATTEMPTS: _ATTEMPTS,
    Name.SUMMARIES: _SUMMARIES,
    Name.ACTIVITY: _ACTIVITY,
    Name.FAILED: _FAILED,
    Name.SLICES: _SLICES,
}
"""The columns of each table, in their order."""
HOT_ONLY: Final = (Name.SUMMARIES, Name.ACTIVITY, Name.FAILED)
"""The tables that are only in the hot store."""


_answers = msgspec.json.Decoder(list[Answer]).decode


def check(name: Name, batch_id: str | None, tier: Tier) -> None:
    """Raise `BadRequest` if the table does not support the batch or the tier."""
    if tier is Tier.LAKE and name is not Name.ATTEMPTS:
        raise BadRequest(f"the lake has only attempts, not the table {name}; omit --tier")
    if batch_id is not None and name is Name.FAILED:
        raise BadRequest("the table failed has no column for the batch; omit --batch")


def rows(stores: Stores, name: Name, batch_id: str | None, tier: Tier) -> Iterator[Row]:
    """The rows of any table except slices, sorted by key and read lazily. `tier` applies only to attempts.

    Raises `BadRequest`.
    """
    if name in HOT_ONLY:
        return hot_rows(stores.hot, name, batch_id, tier)
    batch_id = optional("batchId", batch_id)
    check(name, batch_id, tier)
    return _attempt_rows(stores, batch_id, tier)


def hot_rows(hot: HotStore, name: Name, batch_id: str | None, tier: Tier) -> Iterator[Row]:
    """The rows of a table of `HOT_ONLY`, sorted by key and read lazily. Raises `BadRequest`."""
    batch_id = optional("batchId", batch_id)
    check(name, batch_id, tier)
    if name is Name.FAILED:
        return map(_failed_row, hot.failed())
    if name is Name.SUMMARIES:
        return (row for _, learner in hot.all_learners() for row in _summary_rows(learner, batch_id))
    return (
        _activity_row(activity)
        for activity in hot.all_activities()
        if batch_id is None or activity.key.batch_id == batch_id
    )


def slice_row(view: SliceView) -> Row:
    """A slice and its status."""
    return {
        "slice": str(view.slice),
        "batch_id": view.slice.batch_id,
        "year": view.slice.week.year,
        "week": view.slice.week.week,
        "status": view.status,
        "hot_rows": view.hot_rows,
        "lake_rows": view.lake_rows,
        "archived_at": _time(view.archived_at),
        "verified_at": _time(view.verified_at),
        "cleared_at": _time(view.cleared_at),
        "why_open": view.why_open,
        "note": view.note,
    }


def _attempt_rows(stores: Stores, batch_id: str | None, tier: Tier) -> Iterator[Row]:
    """A tier has the answers that were submitted; both together have those that count."""
    decided = corrections_in_force(stores.hot.register) if tier is Tier.ALL else ()
    corrections = [each.correction for each in decided]
    with stores.union(batches=None if batch_id is None else [batch_id]) as union:
        for version in union.all_attempts(corrections) if tier is Tier.ALL else union.copies(tier.value):
            yield _attempt_row(version)


def _attempt_row(version: AttemptVersion) -> Row:
    received, (year, week) = iso(version.received_at), version.slice.week
    return {
        "batch_id": version.key.batch_id,
        "year": year,
        "week": week,
        "user_id": version.key.user_id,
        "course_id": version.key.course_id,
        "content_id": version.key.content_id,
        "attempt_id": version.key.attempt_id,
        "last_attempted_on": iso_or_empty(version.version.last_attempted_on),
        "content_hash": version.version.content_hash.hex(),
        "total_score": version.total_score,
        "total_max_score": version.total_max_score,
        "grand_total": version.grand_total,
        "created_on": received,
        "updated_on": received,
        "question": [
            {**msgspec.structs.asdict(answer), "assess_ts": _time(answer.assess_ts)}
            for answer in _answers(version.question)
        ],
    }


def _summary_rows(learner: Learner, batch_id: str | None) -> Iterator[Row]:
    maps: dict[SummaryKey, list[Entry]] = {}
    for entry in learner.entries:
        maps.setdefault(entry.key, []).append(entry)
    for key in sorted(maps.keys() | learner.summaries.keys()):
        if batch_id is None or key.batch_id == batch_id:
            yield _summary_row(key, maps.get(key, []), learner.summaries.get(key))


def _summary_row(key: SummaryKey, entries: list[Entry], stored: Summary | None) -> Row:
    """A row as it is stored. After a crash the derived columns can be older than the map, or missing."""
    derived = {name: getattr(stored, name, None) for name in _SUMMARIES[5:-1]}
    ordered = sorted(entries, key=lambda entry: (entry.attempt_id, entry.version))
    return {
        **key._asdict(),
        "attempts": [_map_entry(entry) for entry in ordered],
        **derived,
        "updated_on": iso_or_empty(stored.updated_on) if stored else None,
    }


def _map_entry(entry: Entry) -> Row:
    return {
        "attempt_id": entry.attempt_id,
        "last_attempted_on": iso_or_empty(entry.version.last_attempted_on),
        "content_hash": entry.version.content_hash.hex(),
        "score": entry.score,
        "max_score": entry.max_score,
        "has_answers": entry.version.has_answers,
        "slice": str(entry.row_key.slice),
        "received_at": iso(entry.received_at),
    }


def _activity_row(activity: Activity) -> Row:
    return {
        "activity_type": activity.key.activity_type,
        "activity_id": activity.key.course_id,
        "user_id": activity.key.user_id,
        "context_id": activity.key.context_id,
        "aggregates": activity.aggregates,
        "agg_details": activity.agg_details,
        "agg_last_updated": {name: iso_or_empty(at) for name, at in activity.agg_last_updated.items()},
    }


def _failed_row(event: FailedEvent) -> Row:
    return {
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "received_at": _time(event.received_at),
        "reason": event.reason,
        "message": event.message,
        "raw": event.raw.decode("utf-8", "backslashreplace"),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else iso(at)
