"""A thread-safe connection to a keyspace. It prepares each statement once, sends many concurrently, and retries."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeVar

import cassandra
from cassandra.cluster import Session
from cassandra.query import BoundStatement, Statement

from assess_core.adapters.cassandra.driver import Host
from assess_core.adapters.cassandra.requests import Prepared, grouped, packed
from assess_core.adapters.cassandra.session import REFUSED, REQUEST_SECONDS, is_full, is_temporary, session, translated
from assess_core.adapters.cassandra.url import KeyspacePlace
from assess_core.errors import AssessError
from assess_core.retrying import retrying

Row = tuple[Any, ...]
_Result = TypeVar("_Result")
_Item = TypeVar("_Item")

DEADLINE_SECONDS: Final = 15.0  # a restarting node is back sooner; callers have their own deadlines
IN_FLIGHT: Final = 64
_DEFINE_SECONDS: Final = 60.0  # a change of the schema waits for all nodes
_FIRST_WAIT: Final = 0.05


class Refused(Exception):
    """The server will never accept a statement. Only `Connection.execute_all(single=True)` raises it."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


class Connection:
    """A keyspace of a cluster. Every statement must be idempotent, because it may be sent twice.

    Methods raise `StoreUnavailable` if a temporary error lasts until the deadline. `translated` maps the other errors.
    """

    def __init__(self, place: KeyspacePlace, deadline_seconds: float | None = None) -> None:
        """`deadline_seconds`: how long a statement may take, retries included."""
        self.place = place
        self._deadline = deadline_seconds if deadline_seconds is not None else DEADLINE_SECONDS
        self._prepared: dict[tuple[int, str], Prepared] = {}

    @property
    def session(self) -> Session:
        """This process's session."""
        return session(self.place.servers)

    def prepared(self, cql: str) -> Prepared:
        """The prepared statement; `{ks}` in `cql` is replaced by the keyspace."""
        current = self.session
        found = self._prepared.get((id(current), cql))
        if found is None:
            statement = self._retried(lambda: current.prepare(cql.replace("{ks}", f'"{self.place.keyspace}"')))
            statement.is_idempotent = True
            statement.consistency_level = cassandra.ConsistencyLevel.name_to_value[self.place.consistency]
            found = self._prepared[id(current), cql] = Prepared(statement)
        return found

    def execute(self, cql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of one statement."""
        [rows] = self.execute_all([self.prepared(cql).bind(values)])
        return rows

    def execute_all(
        self, statements: Sequence[Statement], in_flight: int = IN_FLIGHT, *, single: bool = False
    ) -> list[list[Row]]:
        """The rows of each statement, in the same order. With `single`, a refused statement raises `Refused`."""
        results: list[list[Row]] = [[] for _ in statements]
        left: list[int] = list(range(len(statements)))
        current = self.session

        def send_the_rest() -> None:
            round_ = _Round(self._ask, current, statements, results, in_flight)
            left[:] = round_.run(left)
            error = round_.error
            if error is None:
                return
            if single and isinstance(error, REFUSED) and not is_full(error):
                raise Refused(round_.failed, " ".join(str(error).split())) from error
            raise error

        if statements:
            self._retried(send_the_rest)
        return results

    def page(self, statement: Statement, state: bytes | None = None) -> "Page":
        """Request a page of a statement's rows now; `Page.rows` waits for the answer."""
        current = self.session
        return Page(lambda: self._ask(current, statement, state), self._retried)

    def pages(self, cql: str) -> Iterator[Row]:
        """The rows of a statement, a page at a time."""
        state: bytes | None = None
        while True:
            rows, state = self.page(self.prepared(cql).bind(()), state).rows()
            yield from rows
            if state is None:
                return

    def owner(self, *key: str | bytes) -> Host | None:
        """The first replica of a partition; None if the driver does not know it yet. Bytes are encoded already."""
        parts = [part.encode() if isinstance(part, str) else part for part in key]
        if len(parts) > 1:
            parts = [len(part).to_bytes(2) + part + b"\0" for part in parts]
        replicas = self.session.cluster.metadata.get_replicas(self.place.keyspace, b"".join(parts))
        return replicas[0] if replicas else None

    def by_owner(self, items: Iterable[_Item], key: Callable[[_Item], Sequence[str | bytes]]) -> list[list[_Item]]:
        """Group items by the first replica of their partition, so that each request goes to one node."""
        return list(grouped(items, lambda item: self.owner(*key(item))).values())

    def write(
        self, units: Iterable[list[BoundStatement]], partition: Callable[[BoundStatement], Sequence[bytes]]
    ) -> None:
        """Write units in few requests. A unit has statements of one partition, which appear together or not at all."""
        groups = self.by_owner(units, lambda unit: partition(unit[0]))
        self.execute_all([request for group in groups for request in packed(group)])

    def execute_at(self, node: Host, statement: Statement) -> list[Row]:
        """All rows of a statement that one node executes."""
        return self._retried(lambda: list(self.session.execute(statement, host=node)))

    def define(self, cql: str, node: Host) -> None:
        """Change the schema through one node, which applies concurrent changes one after the other."""
        self._retried(lambda: self.session.execute(cql, timeout=_DEFINE_SECONDS, host=node))

    def _ask(self, current: Session, statement: Statement, state: bytes | None) -> "Future[_Rows]":
        return _ask(current, statement, state, min(self._deadline, REQUEST_SECONDS))

    def _retried(self, call: Callable[[], _Result]) -> _Result:
        try:
            return retrying(_is_worth_a_retry, deadline_seconds=self._deadline, first_wait=_FIRST_WAIT)(call)
        except (Refused, AssessError):  # AssessError: the session could not be opened
            raise
        except Exception as error:
            raise translated(error, self.place.servers) from error


def _is_worth_a_retry(error: BaseException) -> bool:
    return not isinstance(error, (Refused, AssessError)) and is_temporary(error)


_Rows = tuple[list[Row], bytes | None]


def _ask(session: Session, statement: Statement, state: bytes | None, seconds: float) -> "Future[_Rows]":
    """Send a statement; the result is a page of its rows and the state of the next page.

    If a replica hangs, the driver also asks another one and calls back for each answer. Only the first answer counts.
    """
    answer: Future[_Rows] = Future()
    first = threading.Lock()
    asked = session.execute_async(statement, paging_state=state, timeout=seconds)

    def rows(found: list[Row] | None) -> None:
        if first.acquire(blocking=False):
            answer.set_result((found or [], asked.result().paging_state))

    def error(met: Exception) -> None:
        if first.acquire(blocking=False):
            answer.set_exception(met)

    asked.add_callbacks(rows, error)
    return answer


class _Round:
    """One attempt to execute statements. It limits how many are in flight, and sends no more after the first error."""

    def __init__(
        self,
        ask: Callable[[Session, Statement, bytes | None], "Future[_Rows]"],
        session: Session,
        statements: Sequence[Statement],
        results: list[list[Row]],
        in_flight: int,
    ) -> None:
        self._ask = ask
        self._session = session
        self._statements = statements
        self._results = results
        self._free = threading.Semaphore(in_flight)
        self._in_flight = in_flight
        self._done: set[int] = set()
        self.error: Exception | None = None
        self.failed = -1

    def run(self, indexes: Iterable[int]) -> list[int]:
        """Send the statements and wait for the answers; returns the indexes without a complete result."""
        indexes = list(indexes)
        for index in indexes:
            self._free.acquire()
            if self.error is not None:
                self._free.release()
                break
            self._results[index] = []
            self._send(index, None)
        for _ in range(self._in_flight):
            self._free.acquire()
        return [index for index in indexes if index not in self._done]

    def _send(self, index: int, state: bytes | None) -> None:
        try:
            answer = self._ask(self._session, self._statements[index], state)
        except Exception as error:  # noqa: BLE001 no connection is available
            self._failed(error, index)
        else:
            answer.add_done_callback(partial(self._page, index))

    def _page(self, index: int, answer: "Future[_Rows]") -> None:
        """Runs in the driver's thread when rows or an error arrive."""
        error = answer.exception()
        if isinstance(error, Exception):
            self._failed(error, index)
            return
        rows, state = answer.result()
        self._results[index] += rows
        if state is not None:
            self._send(index, state)
            return
        self._done.add(index)
        self._free.release()

    def _failed(self, error: Exception, index: int) -> None:
        if self.error is None:
            self.error, self.failed = error, index
        self._free.release()


class Page:
    """One page of a statement's rows."""

    def __init__(self, ask: Callable[[], "Future[_Rows]"], retried: Callable[[Callable[[], _Rows]], _Rows]) -> None:
        self._ask = ask
        self._retried = retried
        self._answer: Future[_Rows] | None = ask()

    def rows(self) -> _Rows:
        """The rows, and the state of the next page (None after the last page)."""

        def wait() -> _Rows:
            answer, self._answer = self._answer or self._ask(), None
            return answer.result()

        return self._retried(wait)
