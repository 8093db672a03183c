"""Connections to Cassandra: one session a process and cluster, statements many at once, and what its errors mean."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

import cassandra
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    Session,
)
from cassandra.connection import ConnectionShutdown
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    TokenAwarePolicy,
)
from cassandra.pool import Host
from cassandra.query import Statement, tuple_factory

from assess_core.adapters.cassandra.maps import RawMaps
from assess_core.adapters.cassandra.requests import Prepared
from assess_core.adapters.cassandra.url import CassandraUrl, Servers
from assess_core.errors import AssessError, BadSettings, NotOurTable, StoreUnavailable

Row = tuple[Any, ...]

REQUEST_SECONDS: Final = 10.0  # above the server's own timeouts (write 2 s, read 5 s by default): it knows more
PATIENCE_SECONDS: Final = 15.0  # a node that restarts is back in less; who waits for an answer has a timeout too
IN_FLIGHT: Final = 64
_SPECULATE_SECONDS: Final = (
    1.0  # a node that hangs is not waited for where another can answer; all we send is idempotent
)
_DEFINE_SECONDS: Final = 60.0  # a change of the schema waits for all nodes
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0

_sessions: dict[Servers, Session] = {}
_lock = threading.Lock()


def _forget() -> None:
    """In a child after fork: the sessions' threads and sockets are the parent's."""
    global _lock  # noqa: PLW0603 it may have been held when the parent forked
    _sessions.clear()
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)


def session(servers: Servers) -> Session:
    """The session of this process; it stays until the process ends. Raises `BadSettings`, `StoreUnavailable`."""
    with _lock:
        found = _sessions.get(servers)
        if found is None:
            found = _sessions[servers] = _connect(servers)
        return found


def _connect(servers: Servers) -> Session:
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(servers.dc or "")),
        request_timeout=REQUEST_SECONDS,
        row_factory=tuple_factory,
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(_SPECULATE_SECONDS, 2),
    )
    login = PlainTextAuthProvider(servers.user, servers.password) if servers.user is not None else None
    context = _tls(servers) if servers.tls else None
    try:
        cluster = Cluster(
            list(servers.hosts),
            auth_provider=login,
            ssl_context=context,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            protocol_version=cassandra.ProtocolVersion.V5,  # or the driver tries two of another product first
            reconnection_policy=ExponentialReconnectionPolicy(0.5, 5.0, max_attempts=None),
            # without it a request of more than 4 kB that is waited for takes 40 ms longer
            sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
    except cassandra.UnresolvableContactPoints as error:
        raise translated(error, servers) from error
    try:
        made = cluster.connect()
    except Exception as error:
        centres = sorted({host.datacenter for host in cluster.metadata.all_hosts() if host.datacenter})
        cluster.shutdown()
        if servers.dc is not None and centres and servers.dc not in centres:
            raise BadSettings(
                f"ASSESS_HOT_STORE: dc={servers.dc} is not a data centre of {servers}; it has {', '.join(centres)}"
            ) from error
        if not servers.tls and isinstance(first := _first(error), _BROKEN_OFF):
            # who takes TLS alone says nothing to others; but one that starts or stops does so too
            raise StoreUnavailable(
                f"Cassandra at {servers} breaks connections off ({type(first).__name__}: {first}); where it takes TLS "
                "alone, add tls=true to ASSESS_HOT_STORE; else look at its log, and run again"
            ) from error
        raise translated(error, servers) from error
    made.client_protocol_handler = RawMaps
    return made


def _tls(servers: Servers) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(servers.ca) if servers.ca else None)
        if servers.cert and servers.key:
            context.load_cert_chain(servers.cert, servers.key)
    except (ssl.SSLError, OSError) as error:
        raise BadSettings(
            f"ASSESS_HOT_STORE: ca, cert or key is not what it should be ({error}); name files in PEM format"
        ) from error
    return context


_BROKEN_OFF: Final = (ConnectionResetError, ConnectionShutdown)
_REFUSED: Final = (cassandra.InvalidRequest, cassandra.ConfigurationException)


def translated(error: Exception, servers: Servers) -> AssessError:
    """What the driver says, as an error of ours that says what to do."""
    first = _first(error)
    message = " ".join(str(first).split())
    if isinstance(first, cassandra.AuthenticationFailed):
        action = "write USER:PASSWORD@ before the hosts" if servers.user is None else "correct user and password"
        return BadSettings(f"ASSESS_HOT_STORE: {servers} refused the login ({message}); {action}")
    # the driver makes an error of its own of what it met first; a connection that breaks off may be a restart
    if "[SSL: " in message and "CERTIFICATE" in message:
        return BadSettings(
            f"ASSESS_HOT_STORE: TLS with {servers} failed ({message}); name who signed its certificate with ca=FILE, "
            "and where it asks for ours, cert=FILE and key=FILE"
        )
    if "[SSL: " in message and "WRONG_VERSION" in message:
        return BadSettings(f"ASSESS_HOT_STORE: {servers} does not speak TLS ({message}); leave tls=true and `ca` out")
    if isinstance(first, cassandra.Unauthorized):
        return BadSettings(f"ASSESS_HOT_STORE: {servers}: {message}; GRANT it to the user, or name another user")
    if isinstance(first, cassandra.UnresolvableContactPoints):
        return BadSettings(f"ASSESS_HOT_STORE: no host of {servers} has an address ({message}); correct the names")
    if isinstance(first, _REFUSED) and not _is_full(first):
        return NotOurTable(
            f"Cassandra at {servers} refused a statement ({message}); `assess schema check` names what differs"
        )
    return StoreUnavailable(
        f"Cassandra at {servers} did not answer as it should ({type(first).__name__}: {message}); look at its log, or "
        "start it, and run again; nothing acknowledged is lost"
    )


def _first(error: Exception) -> Exception:
    """Of an error that hides those of the hosts, the first of these."""
    # by host, or before the first connection a mere list of hosts
    causes = (
        list(error.errors.values()) if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict) else []
    )
    return next((cause for cause in causes if isinstance(cause, Exception)), error)


def is_transient(error: Exception) -> bool:
    """Whether the same statement may succeed later: a server was away, slow, overloaded or full."""
    lasting = (cassandra.AuthenticationFailed, cassandra.Unauthorized, cassandra.UnresolvableContactPoints)
    return not isinstance(error, lasting) and (not isinstance(error, _REFUSED) or _is_full(error))


def _is_full(error: Exception) -> bool:
    # a guardrail against full disks refuses as it refuses a statement that is wrong
    return "disk_usage" in str(error) or "disk usage" in str(error)


class Refused(Exception):
    """The server can never take a statement: leaves `Connection.execute_all` where its caller asked for it."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


class Connection:
    """A keyspace of a cluster, for any thread: statements are prepared once, run many at once, and tried again.

    Every statement must be idempotent. Methods raise `StoreUnavailable` when a server stays away, and what
    `translated` says of other errors.
    """

    def __init__(self, place: CassandraUrl) -> None:
        self.place = place
        self._prepared: dict[tuple[int, str], Prepared] = {}

    @property
    def session(self) -> Session:
        """This process's session."""
        return session(self.place.servers)

    def prepared(self, cql: str) -> Prepared:
        """The statement, prepared; `{ks}.` stands for the keyspace."""
        current = self.session
        found = self._prepared.get((id(current), cql))
        if found is None:
            statement = self._try(lambda: current.prepare(cql.replace("{ks}", f'"{self.place.keyspace}"')))
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
        """The rows of each statement, in their order. With `single`, raises `Refused` for one that is refused."""
        results: list[list[Row]] = [[] for _ in statements]
        left: Sequence[int] = range(len(statements))
        current = self.session
        patience = _Patience(self.place.servers)
        while left:
            round_ = _Round(current, statements, results, in_flight)
            left = round_.run(left)
            if round_.error is None:
                continue
            if single and isinstance(round_.error, _REFUSED) and not _is_full(round_.error):
                raise Refused(round_.failed, " ".join(str(round_.error).split())) from round_.error
            patience.wait(round_.error)
        return results

    def page(self, statement: Statement, state: bytes | None = None) -> "Page":
        """A page of a statement's rows, asked for now and waited for later."""
        return Page(self, statement, state)

    def pages(self, cql: str) -> Iterator[Row]:
        """The rows of a statement, a page at a time."""
        state: bytes | None = None
        while True:
            rows, state = self.page(self.prepared(cql).bind(()), state).rows()
            yield from rows
            if state is None:
                return

    def owner(self, *key: str | int) -> Host | None:
        """The first replica of a partition; None while the driver does not know."""
        parts = [part.encode() if isinstance(part, str) else part.to_bytes(4) for part in key]
        if len(parts) > 1:
            parts = [len(part).to_bytes(2) + part + b"\0" for part in parts]
        replicas = self.session.cluster.metadata.get_replicas(self.place.keyspace, b"".join(parts))
        return replicas[0] if replicas else None

    def at(self, node: Host, statement: Statement) -> list[Row]:
        """All rows of a statement, as one node has them."""
        rows: list[Row] = self._try(lambda: list(self.session.execute(statement, host=node)))
        return rows

    def define(self, cql: str, node: Host) -> None:
        """Change the schema at one node: two that do it at once there go one after the other."""
        self._try(lambda: self.session.execute(cql, timeout=_DEFINE_SECONDS, host=node))

    def _try(self, call: Callable[[], Any]) -> Any:
        patience = _Patience(self.place.servers)
        while True:
            try:
                return call()
            except Exception as error:  # noqa: BLE001 the driver raises what it met
                patience.wait(error)


class _Patience:
    """How long something is tried again: with longer and longer pauses, until it has taken too long."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._until = time.monotonic() + PATIENCE_SECONDS
        self._pause = _FIRST_PAUSE

    def wait(self, error: Exception) -> None:
        """Pause, or raise what the error means when it is lasting or has lasted too long."""
        if not is_transient(error) or time.monotonic() + self._pause > self._until:
            raise translated(error, self._servers) from error
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


def _ask(session: Session, statement: Statement, state: bytes | None) -> "Future[tuple[list[Row], bytes | None]]":
    """A page of a statement's rows and where the next one begins, asked for now.

    Where a replica hangs another one is asked besides, and the driver calls back for the answer of each: the first
    counts.
    """
    answer: Future[tuple[list[Row], bytes | None]] = Future()
    first = threading.Lock()
    asked = session.execute_async(statement, paging_state=state)

    def rows(found: list[Row] | None) -> None:
        if first.acquire(blocking=False):
            answer.set_result((found or [], asked.result().paging_state))

    def error(met: Exception) -> None:
        if first.acquire(blocking=False):
            answer.set_exception(met)

    asked.add_callbacks(rows, error)
    return answer


class _Round:
    """One go at some statements: a bounded number in flight; after the first error nothing more is sent."""

    def __init__(
        self, session: Session, statements: Sequence[Statement], results: list[list[Row]], in_flight: int
    ) -> None:
        self._session = session
        self._statements = statements
        self._results = results
        self._free = threading.Semaphore(in_flight)
        self._in_flight = in_flight
        self._done: set[int] = set()
        self.error: Exception | None = None
        self.failed = -1

    def run(self, indexes: Iterable[int]) -> list[int]:
        """Send them and wait; returns those that are still to be done."""
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
            answer = _ask(self._session, self._statements[index], state)
        except Exception as error:  # noqa: BLE001 no connection to send it on
            self._failed(error, index)
        else:
            answer.add_done_callback(partial(self._page, index))

    def _page(self, index: int, answer: "Future[tuple[list[Row], bytes | None]]") -> None:
        """In the driver's thread: rows came, or an error."""
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

    def __init__(self, connection: Connection, statement: Statement, state: bytes | None) -> None:
        self._connection = connection
        self._statement = statement
        self._state = state
        self._answer: Future[tuple[list[Row], bytes | None]] | None = self._ask()

    def _ask(self) -> "Future[tuple[list[Row], bytes | None]]":
        return _ask(self._connection.session, self._statement, self._state)

    def rows(self) -> tuple[list[Row], bytes | None]:
        """The rows, and where the next page begins; None after the last one."""
        patience = _Patience(self._connection.place.servers)
        while True:
            try:
                answer, self._answer = self._answer or self._ask(), None
                return answer.result()
            except Exception as error:  # noqa: BLE001 the driver raises what it met
                patience.wait(error)
