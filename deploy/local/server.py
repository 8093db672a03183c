"""What there is to know of one server process, and of a kind of server."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Server(NamedTuple):
    """One process of an instance."""

    name: str
    """`cassandra-1`; the folder in which it has its pid and its log."""
    home: Path
    address: str
    """`127.a.b.N:PORT`, where it answers."""
    patience: float = 20.0
    """Seconds that it has for an orderly end: Cassandra takes 2.5, Kafka up to 2.2."""
    litter: Sequence[Path] = ()
    """Files outside its folder that it leaves."""


class Kind(Protocol):
    """Cassandra, Kafka or S3 in an instance."""

    def servers(self) -> Sequence[Server]:
        """The processes that it consists of; touches nothing."""
        ...

    def fetch(self) -> None:
        """Have its programs in the cache. Raises `CannotServe`."""
        ...

    def command(self, server: Server) -> Sequence[str]:
        """Write what the server reads when it starts, and say how it is started. Raises `CannotServe`."""
        ...

    def answers(self, server: Server) -> bool:
        """Whether it takes requests."""
        ...

    def settle(self) -> None:
        """Make what `assess` needs in it, where it is not there yet. Raises `CannotServe`."""
        ...

    def exports(self) -> dict[str, str]:
        """The variables that lead `assess` to it."""
        ...
