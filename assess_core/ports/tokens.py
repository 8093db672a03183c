"""What the API needs to know a caller: the verification of tokens."""

from collections.abc import Iterator
from typing import Protocol

from assess_core.domain.access import Caller
from assess_core.errors import Unauthenticated
from assess_core.ports.findings import Finding


class UnknownKey(Unauthenticated):
    """No known key signed the token. `Tokens.refresh` may find the key."""


class Tokens(Protocol):
    """Verifies tokens with keys that it holds in memory. Threads can share an object."""

    def caller(self, token: str, managed: str = "") -> Caller:
        """The owner of a token. `managed`: a second token, of the managed learner for whom the owner acts.

        It never waits. Raises `Unauthenticated`, `UnknownKey`, and `StoreUnavailable` if no key was read so far.
        """
        ...

    def refresh(self) -> None:
        """Read the keys again, unless that was done some seconds ago. It can wait for a server; it raises nothing."""
        ...

    def examine(self) -> Iterator[Finding]:
        """The state of the keys, for `assess doctor`. Raises `BadSettings`, `StoreUnavailable`."""
        ...
