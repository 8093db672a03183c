"""The product's tables in the oracle's format, so that both can be compared with `==`."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from assess_core.adapters.arrow.rows import from_batch
from assess_core.adapters.files.facts import JsonFacts
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import Record, RecordKind, decode
from assess_core.ports.facts import NoFacts
from assess_core.ports.hot_store import HotStore
from assess_core.usecases.folding import Checks, Tally, fold
from tests import oracle
from tests.properties.strategies import Facts, Line

SUMMARY_COLUMNS = (
    "best_score", "total_max_score", "last_attempted_score", "min_score", "average_score", "attempts_count",
    "updated_on",
)  # fmt: skip


def checks(facts: Facts | None) -> Checks:
    """The product's checks with these facts."""
    if facts is None:
        return Checks(NoFacts())
    return Checks(msgspec.convert(facts.content, JsonFacts), facts.question_count)


def expected(
    log: Sequence[Line], facts: Facts | None = None, corrections: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """The oracle's tables."""
    content, question_count = facts or ({}, False)
    return oracle.tables(log, content, question_count, corrections)


def records(lines: Iterable[Line]) -> list[Record]:
    return [Record(line.topic, 0, line.offset, line.raw, kind=RecordKind.LINE) for line in lines]


def fold_all(batches: Iterable[Iterable[Line]], hot: HotStore, facts: Facts | None = None) -> Tally:
    """Fold batches in sequence, as the stream does."""
    tally = Tally()
    for batch in batches:
        tally.add(fold(map(decode, records(batch)), hot, checks(facts)))
    return tally


def rows(hot: HotStore) -> list[AttemptVersion]:
    """Every copy in the hot store."""
    return [
        row for slice_ in hot.slices() for shard in hot.scan(slice_) for batch in shard for row in from_batch(batch)
    ]


def versions(copies: Iterable[AttemptVersion]) -> dict[Any, list[dict[str, Any]]]:
    """Copies in the format of the oracle's `attempts`, with the earlier of two receipts."""
    distinct: dict[Any, AttemptVersion] = {}
    for row in sorted(copies, key=lambda row: -row.received_at):
        distinct[row.key, row.version] = row
    attempts: dict[Any, list[dict[str, Any]]] = {}
    for (key, version), row in sorted(distinct.items(), key=lambda item: item[0]):
        attempts.setdefault(tuple(key), []).append(
            {
                "last_attempted_on": version.last_attempted_on,
                "content_hash": version.content_hash.hex(),
                "total_score": row.total_score,
                "total_max_score": row.total_max_score,
                "grand_total": row.grand_total,
                "question": row.question,
                "received_at": row.received_at,
            }
        )
    return attempts


def tables(hot: HotStore, copies: Iterable[AttemptVersion] | None = None) -> dict[str, Any]:
    """All tables. The attempts come from the given copies of both tiers, or else from the hot store.

    This also checks that the map of every summary names exactly the stored versions.
    """
    attempts = versions(rows(hot) if copies is None else copies)
    summaries: dict[Any, dict[str, Any]] = {}
    named: dict[Any, set[tuple[int, str, float, float, int]]] = {}
    slices: dict[Any, int] = {}
    for _, learner in hot.all_learners():
        for key, summary in learner.summaries.items():
            summaries[tuple(key)] = {column: getattr(summary, column) for column in SUMMARY_COLUMNS}
        for entry in learner.entries:
            version = entry.version
            named.setdefault(tuple(entry.row_key.key), set()).add(
                (version.last_attempted_on, version.content_hash.hex(), entry.score, entry.max_score, entry.received_at)
            )
            week = entry.row_key.slice.week
            slice_ = (entry.key.batch_id, week.year, week.week)
            slices[slice_] = slices.get(slice_, 0) + 1
    stored = {
        key: {
            (v["last_attempted_on"], v["content_hash"], v["total_score"], v["total_max_score"], v["received_at"])
            for v in found
        }
        for key, found in attempts.items()
    }
    assert named == stored, "the maps do not name exactly the stored versions"
    assert slices.keys() <= {(slice_.batch_id, *slice_.week) for slice_ in hot.slices()}, (
        "a map names a slice that the hot store does not list"
    )
    activity = {
        tuple(row.key): {
            "aggregates": row.aggregates,
            "agg_details": row.agg_details,
            "agg_last_updated": row.agg_last_updated,
        }
        for row in hot.all_activities()
    }
    return {
        "attempts": attempts,
        "summaries": summaries,
        "activity": activity,
        "slices": slices,
        "failed": {(event.topic, event.offset, event.raw) for event in hot.failed()},
    }
