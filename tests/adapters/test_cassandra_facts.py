"""The states of batches are read from a table like Sunbird's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from assess_core.adapters.cassandra import facts as cassandra_facts
from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.facts import CassandraFacts
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.errors import BadSettings, StoreUnavailable
from assess_core.ports.facts import BatchState
from assess_core.ports.findings import Finding, Level
from assess_core.settings import Settings
from assess_core.wiring import open_facts

TABLE = """CREATE TABLE {ks}.course_batch (courseid text, batchid text, createdby text, enrollmenttype text,
    name text, start_date timestamp, status int, PRIMARY KEY (courseid, batchid))"""


@contextmanager
def keyspace_with(cassandra_url: str, table: str) -> Iterator[str]:
    """A temporary keyspace with only this table."""
    keyspace = f"courses_{uuid4().hex[:8]}"
    found = f"{cassandra_url}/{keyspace}"
    session = Connection(parse_cassandra_url(found)).session
    session.execute(
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    )
    session.execute(table.replace("{ks}", keyspace))
    try:
        yield found
    finally:
        session.execute(f"DROP KEYSPACE {keyspace}")


@pytest.fixture
def url(cassandra_url: str) -> Iterator[str]:
    """A keyspace with three batches."""
    with keyspace_with(cassandra_url, TABLE) as found:
        fill(found)
        yield found


def fill(url: str) -> None:
    keyspace = parse_cassandra_url(url).keyspace
    session = Connection(parse_cassandra_url(url)).session
    for batch, status in (("b0", 0), ("b1", 1), ("b2", 2)):
        session.execute(
            f"INSERT INTO {keyspace}.course_batch (courseid, batchid, status) VALUES ('c1', %s, %s)", (batch, status)
        )
    session.execute(f"INSERT INTO {keyspace}.course_batch (courseid, batchid, name) VALUES ('c1', 'b3', 'no status')")


@pytest.fixture
def change(url: str) -> Callable[[str, int], None]:
    """Changes the status of a batch."""
    keyspace = parse_cassandra_url(url).keyspace
    session = Connection(parse_cassandra_url(url)).session

    def to(batch: str, status: int) -> None:
        session.execute(
            f"UPDATE {keyspace}.course_batch SET status = %s WHERE courseid = 'c1' AND batchid = %s", (status, batch)
        )

    return to


def test_only_a_batch_with_status_1_is_on_going(url: str) -> None:
    facts = open_facts(url, print)

    assert isinstance(facts, CassandraFacts)
    assert [facts.batch("c1", batch) for batch in ("b0", "b1", "b2", "b3", "b4", "", "é\0")] == [
        BatchState.NOT_ONGOING,
        BatchState.ONGOING,
        BatchState.NOT_ONGOING,
        BatchState.NOT_ONGOING,
        *[BatchState.UNKNOWN] * 3,
    ]
    assert facts.batch("c2", "b1") is BatchState.UNKNOWN  # the batch belongs to another course
    assert (facts.leaf_nodes("c1"), facts.question_count("a1")) == (None, None)


def test_the_state_of_a_batch_is_read_again_after_some_seconds(
    url: str, change: Callable[[str, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = CassandraFacts(url)
    assert facts.batch("c1", "b1") is BatchState.ONGOING
    change("b1", 2)
    assert facts.batch("c1", "b1") is BatchState.ONGOING
    monkeypatch.setattr(cassandra_facts, "_FRESH", -1.0)
    assert CassandraFacts(url).batch("c1", "b1") is BatchState.NOT_ONGOING
    stale = CassandraFacts(url)
    assert stale.batch("c1", "b1") is BatchState.NOT_ONGOING
    change("b1", 1)
    assert stale.batch("c1", "b1") is BatchState.ONGOING


def test_the_number_of_cached_batches_is_bounded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_facts, "_MOST", 3)
    facts = CassandraFacts(url)
    for _ in range(2):
        assert [facts.batch("c1", f"b{n}") for n in range(3)] == [
            BatchState.NOT_ONGOING,
            BatchState.ONGOING,
            BatchState.NOT_ONGOING,
        ]
        assert facts.batch("c1", "b9") is BatchState.UNKNOWN
        assert len(facts._known) <= 3  # noqa: SLF001 no caller can see the cache


class Unreachable:
    """A connection that fails after some seconds of the fake clock, and counts its requests."""

    def __init__(self, clock: "Clock", seconds: float = 2.0) -> None:
        self.requests = 0
        self._clock, self._seconds = clock, seconds

    def execute(self, *_: object) -> None:
        self.requests += 1
        self._clock.now += self._seconds
        raise StoreUnavailable("Cassandra does not answer; start it")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Courses:
    """Facts that read batch b1 a minute ago, with a fake clock. Cassandra does not answer now."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        monkeypatch.setattr(cassandra_facts, "time", self.clock)
        self.facts = CassandraFacts(url)
        assert self.facts.batch("c1", "b1") is BatchState.ONGOING
        self._monkeypatch = monkeypatch
        self.answering = Connection.execute
        self.unreachable = Unreachable(self.clock)
        self.answer_with(self.unreachable.execute)
        self.clock.now += 60

    def answer_with(self, execute: object) -> None:
        self._monkeypatch.setattr(Connection, "execute", execute)

    def seconds(self, batch: str = "b1") -> float:
        """How many seconds the answer about an on-going batch took."""
        before = self.clock.now
        assert self.facts.batch("c1", batch) is BatchState.ONGOING
        return self.clock.now - before


@pytest.fixture
def courses(url: str, monkeypatch: pytest.MonkeyPatch) -> Courses:
    return Courses(url, monkeypatch)


def test_while_cassandra_is_unreachable_the_last_known_state_is_used_and_only_one_request_waits(
    courses: Courses,
) -> None:
    assert courses.seconds() == 2.0
    assert [courses.seconds() for _ in range(100)] == [0.0] * 100
    assert courses.unreachable.requests == 1


def test_an_unknown_batch_is_refused_immediately_while_cassandra_is_unreachable(courses: Courses) -> None:
    for _ in range(10):
        with pytest.raises(StoreUnavailable, match="Cassandra does not answer; start it"):
            courses.facts.batch("c1", "b2")

    assert courses.unreachable.requests == 1


def test_cassandra_is_queried_again_after_a_pause_and_its_answer_counts(courses: Courses) -> None:
    courses.seconds()
    courses.clock.now += 5
    assert courses.seconds() == 2.0
    assert courses.unreachable.requests == 2

    courses.answer_with(courses.answering)
    courses.clock.now += 5
    assert courses.facts.batch("c1", "b2") is BatchState.NOT_ONGOING
    assert courses.facts.batch("c1", "b0") is BatchState.NOT_ONGOING


def test_other_requests_do_not_wait_while_one_request_queries_cassandra_again(courses: Courses) -> None:
    """While one request waits for Cassandra, the fake connection makes the next request."""

    class Nested(Unreachable):
        def execute(self, *_: object) -> None:
            nested.append(courses.seconds())
            super().execute()

    nested: list[float] = []
    courses.seconds()
    courses.clock.now += 5
    courses.answer_with(Nested(courses.clock).execute)

    courses.seconds()

    assert nested == [0.0]


def test_the_doctor_counts_the_batches(url: str, change: Callable[[str, int], None]) -> None:
    def doctor() -> Finding:
        [found] = CassandraFacts(url).examine()
        return found

    assert doctor()[::2] == (
        Level.OK,
        f"course_batch in {url.rpartition('/')[2]} at {url.split('/')[2]}: 4 batches, 1 on-going",
    )
    change("b1", 2)
    level, _, message, action = doctor()
    assert level is Level.WARN
    assert message.endswith("4 batches, 0 on-going: the write API stores nothing")
    assert action == "name the keyspace of Sunbird's courses, or leave ASSESS_FACTS out: every batch is accepted then"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            "courseid text, batchid text, status text",
            "has courseid text, batchid text, status text, where Sunbird's has",
        ),
        (
            "courseid text, batchid text, state int",
            "has no table course_batch with the key courseid, batchid and a status",
        ),
    ],
)
def test_the_error_for_a_table_of_another_shape_names_the_difference(
    cassandra_url: str, columns: str, message: str
) -> None:
    table = f"CREATE TABLE {{ks}}.course_batch ({columns}, PRIMARY KEY (courseid, batchid))"
    named = rf"\AASSESS_FACTS: .*{message}.*; name the .*of Sunbird's courses\Z"
    with keyspace_with(cassandra_url, table) as url, pytest.raises(BadSettings, match=named):
        CassandraFacts(url)


def test_the_error_for_a_keyspace_without_the_table_names_both(cassandra_url: str) -> None:
    with pytest.raises(BadSettings, match=r"ASSESS_FACTS: keyspace 'nothing_here' has no table course_batch"):
        CassandraFacts(f"{cassandra_url}/nothing_here")


def test_the_error_for_a_wrong_url_names_the_right_setting() -> None:
    for url in ("cassandra:///k", "cassandra://h/K!", "cassandra://h/k?x=1"):
        with pytest.raises(BadSettings, match=r"\AASSESS_FACTS: ") as refused:
            CassandraFacts(url)
        assert "ASSESS_HOT_STORE" not in str(refused.value)


def test_other_urls_are_refused() -> None:
    with pytest.raises(
        BadSettings, match=r"ASSESS_FACTS: 'redis://h/0' is not a source of facts; use a file or cassandra://"
    ):
        open_facts("redis://h/0", print)
    assert open_facts(Settings.from_env({}).facts, print) is None


def test_the_batches_of_a_course_are_listed_in_pages(url: str) -> None:
    facts = open_facts(url, print)
    assert facts is not None
    assert facts.batches_of("c1", "", 3) == ["b0", "b1", "b2"]
    assert facts.batches_of("c1", "b2", 3) == ["b3"]
    assert facts.batches_of("c9", "", 3) == []
