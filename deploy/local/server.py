"""One server process, and the kinds of servers."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Server(NamedTuple):
    """One process of an instance."""

    name: str
    """`cassandra-1`; also the name of its folder, which contains its pid and its log."""
    home: Path
    address: str
    """`127.a.b.N:PORT`, on which it answers."""
    patience: float = 20.0
    """Seconds until it is killed if it does not stop: Cassandra takes 2.5, Kafka up to 2.2."""
    litter: Sequence[Path] = ()
    """Files that it leaves outside its folder."""


class Kind(Protocol):
    """Cassandra, Kafka or S3 in an instance."""

    def servers(self) -> Sequence[Server]:
        """Its processes; changes nothing."""
        ...

    def fetch(self) -> None:
        """Download its programs into the cache. Raises `CannotServe`."""
        ...

    def command(self, server: Server) -> Sequence[str]:
        """Write the configuration of the server; returns the command that starts it. Raises `CannotServe`."""
        ...

    def answers(self, server: Server) -> bool:
        """Whether it answers requests."""
        ...

    def settle(self) -> None:
        """Create what `assess` needs in it, such as topics or a bucket. Raises `CannotServe`."""
        ...

    def exports(self) -> dict[str, str]:
        """The settings with which `assess` connects to it."""
        ...
