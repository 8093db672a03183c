"""Opens one Cassandra session per process and cluster, and translates the driver's errors."""

import os
import socket
import ssl
import threading
from typing import Final

import cassandra
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    Session,
)
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    TokenAwarePolicy,
)
from cassandra.query import tuple_factory

from assess_core.adapters.cassandra.driver import ConnectionShutdown
from assess_core.adapters.cassandra.maps import RawMaps
from assess_core.adapters.cassandra.url import Servers
from assess_core.errors import AssessError, BadSettings, NotOurTable, StoreUnavailable

REQUEST_SECONDS: Final = 10.0  # above the server's timeouts (write 2 s, read 5 s by default), whose errors say more
_SPECULATE_SECONDS: Final = 1.0  # then the driver also asks another node; every statement is idempotent

_sessions: dict[Servers, Session] = {}
_lock = threading.Lock()


def _drop_sessions() -> None:
    """Drop the sessions in a child process: their threads and sockets belong to the parent."""
    global _lock  # noqa: PLW0603 the parent may have held it during the fork
    _sessions.clear()
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_drop_sessions)


def session(servers: Servers) -> Session:
    """The session of this process, open until the process ends. Raises `BadSettings`, `StoreUnavailable`."""
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
            protocol_version=servers.protocol,  # else the driver tries two of another product first
            reconnection_policy=ExponentialReconnectionPolicy(0.5, 5.0, max_attempts=None),
            # without it, a request of more than 4 kB takes 40 ms longer
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
        if not servers.tls and isinstance(first := _first(error), _CLOSED):
            # a server closes a connection without a message if it requires TLS, starts or stops
            raise StoreUnavailable(
                f"Cassandra at {servers} closes connections ({type(first).__name__}: {first}); if it requires TLS, add "
                "tls=true to ASSESS_HOT_STORE; otherwise look at its log, and run again"
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
            f"ASSESS_HOT_STORE: ca, cert or key cannot be used ({error}); name files in PEM format"
        ) from error
    return context


_CLOSED: Final = (ConnectionResetError, ConnectionShutdown)
REFUSED: Final = (cassandra.InvalidRequest, cassandra.ConfigurationException)


def translated(error: Exception, servers: Servers) -> AssessError:
    """Translate the driver's error into one of ours that says what to do."""
    first = _first(error)
    message = " ".join(str(first).split())
    if isinstance(first, cassandra.AuthenticationFailed):
        action = "write USER:PASSWORD@ before the hosts" if servers.user is None else "correct user and password"
        return BadSettings(f"ASSESS_HOT_STORE: {servers} refused the login ({message}); {action}")
    # the driver wraps TLS errors, so their text identifies them; without it, a closed connection may be a restart
    if "[SSL: " in message and "CERTIFICATE" in message:
        return BadSettings(
            f"ASSESS_HOT_STORE: TLS with {servers} failed ({message}); name the certificate authority with "
            "ca=FILE, and if it requires a client certificate, cert=FILE and key=FILE"
        )
    if "[SSL: " in message and "WRONG_VERSION" in message:
        return BadSettings(f"ASSESS_HOT_STORE: {servers} does not speak TLS ({message}); leave tls=true and `ca` out")
    if isinstance(first, cassandra.Unauthorized):
        return BadSettings(f"ASSESS_HOT_STORE: {servers}: {message}; GRANT it to the user, or name another user")
    if isinstance(first, cassandra.UnresolvableContactPoints):
        return BadSettings(f"ASSESS_HOT_STORE: no host of {servers} has an address ({message}); correct the names")
    if isinstance(first, REFUSED) and not is_full(first):
        return NotOurTable(
            f"Cassandra at {servers} refused a statement ({message}); `assess schema check` names what differs"
        )
    return StoreUnavailable(
        f"Cassandra at {servers} did not answer as it should ({type(first).__name__}: {message}); look at its log, or "
        "start it, and run again; nothing acknowledged is lost"
    )


def _first(error: Exception) -> Exception:
    """The first host's error if `error` collects the errors of hosts, otherwise `error`."""
    # `errors` is by host; before the first connection it is only a list of hosts
    causes = (
        list(error.errors.values()) if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict) else []
    )
    return next((cause for cause in causes if isinstance(cause, Exception)), error)


def is_temporary(error: BaseException) -> bool:
    """Whether the same statement can succeed later: a server was down, slow, overloaded or full."""
    lasting = (cassandra.AuthenticationFailed, cassandra.Unauthorized, cassandra.UnresolvableContactPoints)
    if not isinstance(error, Exception) or isinstance(error, lasting):
        return False
    return not isinstance(error, REFUSED) or is_full(error)


def is_full(error: Exception) -> bool:
    """Whether a server has no room for writes."""
    # for a full disk, Cassandra's guardrail raises the same error as for an invalid statement
    return "disk_usage" in str(error) or "disk usage" in str(error)
