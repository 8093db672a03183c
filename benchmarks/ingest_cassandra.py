"""Folding events into a keyspace of Cassandra, beside the driver with the same writes and the ancestor's pattern.

    python -m benchmarks.ingest_cassandra cassandra://HOST:PORT/KEYSPACE [EVENTS]

The keyspace belongs to the benchmark, which empties it. Afterwards each part of the store is measured beside the driver
alone: rows written, rows read as a slice, learners read one by one.
"""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, NamedTuple

from cassandra.concurrent import execute_concurrent_with_args

from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.cassandra.session import session
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.domain.events import Accepted, Decoded
from assess_core.ports.facts import NoFacts
from assess_core.usecases.folding import Checks, fold
from benchmarks.cassandra_limits import (
    IN_FLIGHT,
    ancestor,
    bare_driver,
    empty_store,
    recorded,
    sample_batches,
    seconds_to_send,
)

_ROUNDS: Final = 3


class Measured(NamedTuple):
    """Events per second."""

    ours: float
    limit: float
    """Only the driver, with the same writes."""
    ancestor: float


class Parts(NamedTuple):
    """Rows or learners per second: ours and the driver's."""

    written: tuple[float, float]
    read: tuple[float, float]
    learners: tuple[float, float]


def _fold(url: str, batches: Sequence[Sequence[Decoded]]) -> float:
    hot = empty_store(url)
    started = time.perf_counter()
    for batch in batches:
        fold(batch, hot, Checks(NoFacts()))
    return sum(map(len, batches)) / (time.perf_counter() - started)


def _rate(units: int, call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return units / (time.perf_counter() - started)


def parts(url: str, batches: Sequence[Sequence[Decoded]]) -> Parts:
    """Each part of the store beside the driver alone, over what folding the batches left."""
    hot = empty_store(url)
    rows = [[event.version for event in batch if isinstance(event, Accepted)] for batch in batches]
    count = sum(map(len, rows))
    hot.add_slices({row.slice for some in rows for row in some})
    with recorded(url) as requests:
        written = _rate(count, lambda: [hot.add_rows(some) for some in rows])
    empty_store(url)
    bare_written = count / seconds_to_send(url, requests)
    _fold(url, batches)
    return Parts((written, bare_written), *_reads(url, CassandraHot(url)))


def _reads(url: str, hot: CassandraHot) -> tuple[tuple[float, float], tuple[float, float]]:
    keyspace, current = parse_cassandra_url(url).keyspace, session(parse_cassandra_url(url).servers)
    slices = hot.slices()
    count = sum(hot.counts(slices).values())
    ours = _rate(count, lambda: [batch.num_rows for one in slices for shard in hot.scan(one) for batch in shard])
    select = current.prepare(
        f"SELECT * FROM {keyspace}.assessment_aggregator WHERE batch_id = ? AND year = ? AND week = ? AND shard = ?"
    )
    bare = _rate(
        count,
        lambda: [
            list(current.execute(select, (one.batch_id, *one.week, shard)))
            for one in slices
            for shard in range(hot.shards)
        ],
    )
    users = [user_id for user_id, _ in hot.all_learners()]
    ours_learners = _rate(
        len(users), lambda: [hot.learners(users[start : start + 500]) for start in range(0, len(users), 500)]
    )
    of_learner = current.prepare(f"SELECT * FROM {keyspace}.assessment_aggregator_v2 WHERE user_id = ?")
    bare_learners = _rate(
        len(users),
        lambda: execute_concurrent_with_args(current, of_learner, [(user,) for user in users], concurrency=IN_FLIGHT),
    )
    return (ours, bare), (ours_learners, bare_learners)


def main(url: str, events: int = 10_000) -> Measured:
    """Measure and print."""
    batches = sample_batches(events)
    gc.collect()
    gc.freeze()
    _fold(url, batches[:2])  # warm-up: the server compiles code that runs often
    turns = [(_fold(url, batches), bare_driver(url, batches), ancestor(url)) for _ in range(_ROUNDS)]
    found = Measured(*(median(rates) for rates in zip(*turns, strict=True)))
    print(
        f"ingest into Cassandra: {found.ours:,.0f} events/s; only the driver with the same writes {found.limit:,.0f} "
        f"({found.ours / found.limit:.2f} of it); the ancestor's pattern {found.ancestor:,.0f} "
        f"({found.ours / found.ancestor:.0f} times)"
    )
    for what, (ours, bare) in parts(url, batches)._asdict().items():
        print(f"{what}: {ours:,.0f}/s, the driver alone {bare:,.0f}/s, {ours / bare:.2f} of it")
    return found


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
