"""Where a Cassandra hot store is: `cassandra://[user:password@]host[:port][,host...]/keyspace?option=...`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from assess_core.errors import BadSettings

PORT: Final = 9042
# scores are computed from reads, so each read must see every acknowledged write
CONSISTENCIES: Final = ("LOCAL_QUORUM", "QUORUM", "EACH_QUORUM", "ALL")
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}\Z", re.ASCII)
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?\Z", re.ASCII)
_OPTIONS: Final = ("dc", "consistency", "tls", "ca", "cert", "key", "protocol")
_PROTOCOLS: Final = ("4", "5")
_EXAMPLE: Final = "write cassandra://[USER:PASSWORD@]HOST[:PORT][,HOST...]/KEYSPACE?dc=DC"
_ENCODE: Final = "percent-encode all but letters and digits in user and password (/ is %2F, @ is %40)"


class Servers(NamedTuple):
    """A cluster and a login. The stores of a process share connections if their `Servers` are equal."""

    hosts: tuple[tuple[str, int], ...]
    """Name or address, and port. Any reachable host is enough to find the others."""
    user: str | None
    password: str | None
    dc: str | None
    """The data centre to use; None means that of the first host."""
    tls: bool
    ca: Path | None
    """The certificate authority of the servers; None means the authorities that this machine trusts."""
    cert: Path | None
    """The client certificate, if the servers require one, and its key."""
    key: Path | None
    protocol: int = 5
    """The version of the protocol: Cassandra 3.11 needs 4."""

    def __str__(self) -> str:
        """The hosts, for messages: never the password."""
        return ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)


class KeyspacePlace(NamedTuple):
    """A keyspace, and how to read and write it."""

    servers: Servers
    keyspace: str
    consistency: str


def parse_cassandra_url(url: str) -> KeyspacePlace:
    """Parse a URL and percent-decode its parts. Raises `BadSettings`, which never shows a password."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its message may contain the password
        raise BadSettings(f"ASSESS_HOT_STORE: this is no URL; {_ENCODE}") from None
    if "@" in parts.path:  # a user or a password contains a /, so this part may be secret
        raise BadSettings(f"ASSESS_HOT_STORE: there is an @ after the hosts; {_ENCODE}")
    login, at, hosts = parts.netloc.rpartition("@")
    if parts.scheme != "cassandra" or not hosts:
        raise BadSettings(f"ASSESS_HOT_STORE: no host is named; {_EXAMPLE}")
    user, colon, password = login.partition(":")
    if at and not (user and colon):
        raise BadSettings(f"ASSESS_HOT_STORE: a user and a password belong together; {_EXAMPLE}")
    keyspace = parts.path.removeprefix("/")
    if not _KEYSPACE.match(keyspace):
        raise BadSettings(
            f"ASSESS_HOT_STORE: {keyspace!r} is not a keyspace (lower case letters, digits and _, at most 48); "
            f"{_EXAMPLE}"
        )
    options = _options(parts.query)
    servers = Servers(
        tuple(_host(text) for text in hosts.split(",")),
        unquote(user) if at else None,
        unquote(password) if at else None,
        options.get("dc"),
        _tls(options),
        _file(options, "ca"),
        _file(options, "cert"),
        _file(options, "key"),
        _protocol(options),
    )
    if (servers.cert is None) != (servers.key is None):
        raise BadSettings("ASSESS_HOT_STORE: `cert` and `key` belong together; name the files of both")
    consistency = options.get("consistency", CONSISTENCIES[0]).upper()
    if consistency not in CONSISTENCIES:
        raise BadSettings(
            f"ASSESS_HOT_STORE: consistency {consistency!r} is not one of {', '.join(CONSISTENCIES)}: with less than a "
            "quorum, a read may miss an acknowledged write, and a wrong score would be stored; leave it out for "
            f"{CONSISTENCIES[0]}"
        )
    return KeyspacePlace(servers, keyspace, consistency)


def _host(text: str) -> tuple[str, int]:
    found = _HOST.match(text)
    port = int(found["port"] or PORT) if found else 0
    if not found or not 0 < port < 65536:
        raise BadSettings(f"ASSESS_HOT_STORE: {text!r} is not HOST or HOST:PORT; {_EXAMPLE}")
    return found["v6"] or found["name"], port


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise BadSettings(f"ASSESS_HOT_STORE: {name!r} is not an option of cassandra:// ({', '.join(_OPTIONS)})")
        if name in options or not value:
            raise BadSettings(f"ASSESS_HOT_STORE: write the option {name!r} once, with a value")
        options[name] = value
    return options


def _tls(options: dict[str, str]) -> bool:
    tls = options.get("tls", "false")
    if tls not in ("true", "false"):
        raise BadSettings(f"ASSESS_HOT_STORE: tls={tls} is neither tls=true nor tls=false")
    if tls == "false" and (asked := [name for name in ("ca", "cert", "key") if name in options]):
        raise BadSettings(f"ASSESS_HOT_STORE: {asked[0]!r} only has a meaning with tls=true; add it")
    return tls == "true"


def _protocol(options: dict[str, str]) -> int:
    protocol = options.get("protocol", "5")
    if protocol not in _PROTOCOLS:
        raise BadSettings(f"ASSESS_HOT_STORE: protocol={protocol} is neither 5 nor, for Cassandra 3.11, 4")
    return int(protocol)


def _file(options: dict[str, str], name: str) -> Path | None:
    if name not in options:
        return None
    path = Path(options[name]).absolute()
    if not path.is_file():
        raise BadSettings(f"ASSESS_HOT_STORE: {name}={options[name]} is not a file; name one that this user may read")
    return path


@contextmanager
def as_setting(name: str) -> Iterator[None]:
    """Name another setting than the hot store's in error messages."""
    try:
        yield
    except BadSettings as error:
        raise BadSettings(str(error).replace("ASSESS_HOT_STORE", name)) from error
