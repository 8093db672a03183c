"""Folding events into a keyspace of Cassandra, beside the driver with the same writes and the ancestor's pattern.

    python -m benchmarks.ingest_cassandra cassandra://HOST:PORT/KEYSPACE [EVENTS [PID]]

The keyspace belongs to the benchmark, which empties it. PID is the server's process, if it runs on this machine.
Without PID, the server's CPU time is 0. Learners have 12 events or one, and batches have 1,000 events or 4,000.
Afterwards each part of the store is measured beside the driver alone: rows written, a slice read, learners read.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
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
    Sent,
    ancestor,
    bare_driver,
    empty_store,
    recorded,
    sample_batches,
    seconds_to_send,
)
from benchmarks.cost import Cost, cost, peak_mib

_ROUNDS: Final = 3


class Measured(NamedTuple):
    """Medians of a kind of load."""

    ours: Cost
    limit: Sent
    """Only the driver, with the same writes."""
    ancestor: float
    """Events per second."""


class Parts(NamedTuple):
    """Rows or learners per second: ours and the driver's."""

    written: tuple[float, float]
    read: tuple[float, float]
    learners: tuple[float, float]


def _fold(url: str, batches: Sequence[Sequence[Decoded]], server: int | None = None) -> Cost:
    hot = empty_store(url)
    events = sum(map(len, batches))
    return cost(events, lambda: [fold(batch, hot, Checks(NoFacts())) for batch in batches], server)


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


def _measure(url: str, batches: Sequence[Sequence[Decoded]], server: int | None) -> Measured:
    _fold(url, batches[:2])  # warm-up: the server compiles code that runs often
    turns = [
        (_fold(url, batches, server), bare_driver(url, batches, server), ancestor(url, 200)) for _ in range(_ROUNDS)
    ]
    ours, limits, ancestors = zip(*turns, strict=True)
    middle = sorted(limits, key=lambda sent: sent.cost.cpu)[_ROUNDS // 2]
    return Measured(sorted(ours, key=lambda found: found.cpu)[_ROUNDS // 2], middle, median(ancestors))


def loads(url: str, events: int, server: int | None = None) -> Iterator[tuple[str, Measured]]:
    """Each kind of load with its figures."""
    for events_a_learner, size in product((12, 1), (1000, 4000)):
        batches = sample_batches(events, size, events_a_learner)
        gc.collect()
        gc.freeze()
        yield f"{events_a_learner} events a learner, batches of {size:,}", _measure(url, batches, server)


def main(url: str, events: int = 12_000, server: int | None = None) -> None:
    """Measure and print."""
    for load, (ours, limit, peer) in loads(url, events, server):
        print(
            f"ingest into Cassandra, {load}: {ours}, "
            f"{limit.requests:.3f} requests and {limit.statements:.2f} statements an event\n"
            f"  only the driver with the same writes: {limit.cost}; we reach {ours.rate / limit.cost.rate:.2f} of it "
            f"by the clock, {limit.cost.cpu / ours.cpu:.2f} by CPU time\n"
            f"  the ancestor's pattern: {peer:,.0f} events/s, we are {ours.rate / peer:.0f} times as fast; "
            f"peak memory so far {peak_mib():,.0f} MiB",
            flush=True,
        )
    for what, (ours_, bare) in parts(url, sample_batches(events, 1000, 12))._asdict().items():
        print(f"{what}: {ours_:,.0f}/s, the driver alone {bare:,.0f}/s, {ours_ / bare:.2f} of it")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
