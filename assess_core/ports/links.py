"""Links to report files, which expire."""

from typing import NamedTuple, Protocol


class Link(NamedTuple):
    """A link that a browser can open without a login."""

    url: str
    """Without scheme and host if the API itself serves the file."""
    expires: int
    """Epoch ms."""


class Links(Protocol):
    """Makes links to report files, and checks those that the API serves."""

    def link(self, name: str, now: int) -> Link:
        """A link to the report of this name. Raises `StoreUnavailable`, `BadSettings`."""
        ...

    def require_valid(self, name: str, expires: str, signature: str, now: int) -> None:
        """Check the parts of a link that the API gets. Raises `LinkRefused`, `LinkExpired`."""
        ...
