"""Automatic persisted queries: a client sends the hash of a query, and the text only if the server does not have it.

The protocol is Apollo's: https://github.com/apollographql/apollo-link-persisted-queries
"""

import hashlib
import re
from collections import OrderedDict
from typing import Final

import msgspec

MOST_QUERIES: Final = 500
"""Kept texts. Each has at most `MOST_LENGTH` characters, so all together at most 10 million."""

_HASH: Final = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


class Persisted(msgspec.Struct):
    """The hash of a query."""

    sha256Hash: str  # noqa: N815 the wire's name
    version: int = 1


class Extensions(msgspec.Struct):
    """The extensions of a GraphQL request that this server knows."""

    persistedQuery: Persisted | None = None  # noqa: N815 the wire's name


class UnknownHash(Exception):
    """The server does not have the text; the client sends it next."""


class WrongHash(Exception):
    """The hash is not that of the text."""


class PersistedQueries:
    """The texts by hash; the text that was not used for the longest time is forgotten first."""

    def __init__(self, most: int = MOST_QUERIES) -> None:
        self._most = most
        self._texts: OrderedDict[str, str] = OrderedDict()

    def text_of(self, text: str | None, extensions: Extensions | None) -> str | None:
        """The text of a request; None if it names none. Raises `UnknownHash`, `WrongHash`."""
        asked = extensions.persistedQuery if extensions else None
        if asked is None:
            return text
        if asked.version != 1 or not _HASH.match(asked.sha256Hash):
            raise WrongHash
        if text is None:
            found = self._texts.get(asked.sha256Hash)
            if found is None:
                raise UnknownHash
            self._texts.move_to_end(asked.sha256Hash)
            return found
        if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != asked.sha256Hash:
            raise WrongHash
        return text

    def keep(self, text: str, extensions: Extensions | None) -> None:
        """Keep a valid query under its hash, which `text_of` has checked."""
        if extensions and extensions.persistedQuery:
            self._texts[extensions.persistedQuery.sha256Hash] = text
            if len(self._texts) > self._most:
                self._texts.popitem(last=False)
