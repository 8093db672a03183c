"""The same Cassandra under other writers: (a) the driver alone with our statements, (b) the ancestor's pattern.

(a) folds the events once and records every write request. Then it sends the same requests into empty tables, many at a
time, without reading, deciding or encoding anything.
(b) does the work of the ancestor's job for each event, one after the other and unprepared: look up the attempt, insert
it with its answers as a list of a user-defined type, read all attempts of the learner, write the aggregate.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from cassandra.cluster import ResponseFuture, Session
from cassandra.concurrent import execute_concurrent
from cassandra.query import BatchStatement, BoundStatement

from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.cassandra.schema import CassandraSchema
from assess_core.adapters.cassandra.session import session
from assess_core.adapters.cassandra.tables import declared
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import Accepted, Decoded, Record, RecordKind, decode
from assess_core.domain.samples import sample_events
from assess_core.ports.facts import NoFacts
from assess_core.ports.log import BATCH_RECORDS
from assess_core.usecases.folding import Checks, fold
from benchmarks.cost import Cost, cost

Request: TypeAlias = BoundStatement | BatchStatement

IN_FLIGHT: Final = 64

_ANCESTOR: Final = (
    """CREATE TYPE IF NOT EXISTS {ks}.ancestor_question (id text, assess_ts timestamp, max_score double, score double,
        type text, title text, resvalues list<frozen<map<text, text>>>, params list<frozen<map<text, text>>>,
        description text, duration decimal)""",
    """CREATE TABLE IF NOT EXISTS {ks}.ancestor_aggregator (user_id text, course_id text, batch_id text,
        content_id text, attempt_id text, created_on timestamp, grand_total text, last_attempted_on timestamp,
        question list<frozen<ancestor_question>>, total_max_score double, total_score double, updated_on timestamp,
        PRIMARY KEY ((user_id, course_id), batch_id, content_id, attempt_id))""",
    """CREATE TABLE IF NOT EXISTS {ks}.ancestor_activity (activity_type text, activity_id text, user_id text,
        context_id text, aggregates map<text, double>, agg_details list<text>, agg_last_updated map<text, timestamp>,
        PRIMARY KEY ((activity_type, activity_id, user_id), context_id))""",
)


def sample_batches(events: int, size: int = BATCH_RECORDS, events_a_learner: int = 12) -> list[list[Decoded]]:
    """Sample events, decoded, in batches as the stream folds them."""
    lines = enumerate(sample_events(events, events_a_learner=events_a_learner), 1)
    decoded = (decode(Record("sample.jsonl", 0, number, line, kind=RecordKind.LINE)) for number, line in lines)
    return list(iter(lambda: list(islice(decoded, size)), []))


def empty_store(url: str) -> CassandraHot:
    """The hot store of a URL, emptied: its keyspace belongs to the benchmark."""
    CassandraSchema(url).apply(None, None)
    for table in declared():
        if table != "meta":
            _run(url, f"TRUNCATE {{ks}}.{table}")
    return CassandraHot(url)


class Sent(NamedTuple):
    """What the driver alone reached, and the requests of the fold."""

    cost: Cost
    requests: float
    """Requests of the fold per event, reads included."""
    statements: float


def bare_driver(url: str, batches: Sequence[Sequence[Decoded]], server: int | None = None) -> Sent:
    """(a): the driver only sends what folding these batches wrote. `server`: the id of the server's process."""
    hot = empty_store(url)
    with recorded(url) as requests:
        for batch in batches:
            fold(batch, hot, Checks(NoFacts()))
    writes = [request for request in requests if not _reads(request)]
    empty_store(url)
    events = sum(map(len, batches))
    statements = sum(len(one) if isinstance(one, BatchStatement) else 1 for one in requests)
    sent = cost(events, lambda: seconds_to_send(url, writes), server)
    return Sent(sent, len(requests) / events, statements / events)


def ancestor(url: str, events: int = 500) -> float:
    """(b): events per second of the ancestor's pattern."""
    current, keyspace = _session(url), parse_cassandra_url(url).keyspace
    for statement in _ANCESTOR:
        _run(url, statement)
    for table in ("ancestor_aggregator", "ancestor_activity"):
        _run(url, f"TRUNCATE {{ks}}.{table}")
    versions = [event.version for batch in sample_batches(events) for event in batch if isinstance(event, Accepted)]
    started = time.perf_counter()
    for version in versions:
        for statement in _of_event(version, current, keyspace):
            current.execute(statement)
    return len(versions) / (time.perf_counter() - started)


@contextmanager
def recorded(url: str) -> Iterator[list[Request]]:
    """Record every request that this process makes in the block."""
    requests: list[Request] = []

    def note(future: ResponseFuture) -> None:
        requests.append(future.query)

    current = _session(url)
    current.add_request_init_listener(note)
    try:
        yield requests
    finally:
        current.remove_request_init_listener(note)


def seconds_to_send(url: str, requests: Sequence[Request]) -> float:
    """How long the driver's own concurrent execution takes."""
    started = time.perf_counter()
    execute_concurrent(_session(url), [(request, None) for request in requests], concurrency=IN_FLIGHT)
    return time.perf_counter() - started


def _session(url: str) -> Session:
    return session(parse_cassandra_url(url).servers)


def _run(url: str, statement: str) -> None:
    _session(url).execute(statement.replace("{ks}", parse_cassandra_url(url).keyspace), timeout=60)


def _reads(request: Request) -> bool:
    return isinstance(request, BoundStatement) and request.prepared_statement.query_string.startswith("SELECT")


def _of_event(version: AttemptVersion, current: Session, keyspace: str) -> Iterator[str]:
    """The four statements of an event; the third runs first, because its rows make the fourth."""
    key = version.key
    of_learner = f"user_id = {_text(key.user_id)} AND course_id = {_text(key.course_id)}"
    of_batch = f"{of_learner} AND batch_id = {_text(key.batch_id)}"
    yield (
        f"SELECT last_attempted_on, created_on FROM {keyspace}.ancestor_aggregator WHERE {of_batch} "
        f"AND content_id = {_text(key.content_id)} AND attempt_id = {_text(key.attempt_id)}"
    )
    answers = ", ".join(map(_answer, msgspec.json.decode(version.question)))
    yield (
        f"INSERT INTO {keyspace}.ancestor_aggregator (user_id, course_id, batch_id, content_id, attempt_id, "
        "created_on, grand_total, last_attempted_on, question, total_max_score, total_score, updated_on) VALUES "
        f"({', '.join(map(_text, key))}, {version.received_at}, {_text(version.grand_total)}, "
        f"{version.version.last_attempted_on}, [{answers}], {version.total_max_score}, {version.total_score}, "
        f"{version.received_at})"
    )
    rows = current.execute(
        "SELECT content_id, attempt_id, last_attempted_on, total_max_score, total_score "
        f"FROM {keyspace}.ancestor_aggregator WHERE {of_batch}"
    )
    best: dict[str, tuple[float, float]] = {}
    details = []
    for content_id, attempt_id, _, max_score, score in rows:
        best[content_id] = max(best.get(content_id, (score, max_score)), (score, max_score))
        details.append(_text(f'{{"attempt_id":"{attempt_id}","score":{score},"max_score":{max_score}}}'))
    aggregates = ", ".join(
        f"{_text(f'{name}:{content_id}')}: {value}"
        for content_id, (score, max_score) in best.items()
        for name, value in (("score", score), ("max_score", max_score))
    )
    yield (
        f"UPDATE {keyspace}.ancestor_activity SET aggregates = {{{aggregates}}}, agg_details = [{', '.join(details)}] "
        f"WHERE activity_type = 'Course' AND activity_id = {_text(key.course_id)} AND user_id = {_text(key.user_id)} "
        f"AND context_id = {_text(f'cb:{key.batch_id}')}"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _maps(maps: Sequence[dict[str, str]]) -> str:
    inner = (", ".join(f"{_text(name)}: {_text(value)}" for name, value in one.items()) for one in maps)
    return "[" + ", ".join(f"{{{one}}}" for one in inner) + "]"


def _answer(answer: dict[str, Any]) -> str:
    values = {
        "id": _text(answer["id"]),
        "assess_ts": answer["assess_ts"] or 0,
        "max_score": answer["max_score"],
        "score": answer["score"],
        "type": _text(answer["type"] or ""),
        "title": _text(answer["title"] or ""),
        "resvalues": _maps(answer["resvalues"]),
        "params": _maps(answer["params"]),
        "description": _text(answer["description"] or ""),
        "duration": answer["duration"],
    }
    return "{" + ", ".join(f"{name}: {value}" for name, value in values.items()) + "}"
