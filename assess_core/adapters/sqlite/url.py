"""Where an embedded hot store is: `sqlite:///PATH[?shards=N]`."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from assess_core.errors import BadSettings

MAX_SHARDS: Final = 1024

_URL = re.compile(r"sqlite:///(?P<path>.*?)(?:\?(?P<options>[^/]*))?\Z", re.DOTALL)
_SHARDS = re.compile(r"shards=([0-9]{1,4})\Z", re.ASCII)


class SqlitePlace(NamedTuple):
    """The file of an embedded hot store."""

    path: Path
    shards: int | None
    """The requested number of shards; None accepts the store's number."""


def parse_sqlite_url(url: str) -> SqlitePlace:
    """`sqlite:///relative` or `sqlite:////absolute`, then optionally `?shards=N`.

    Paths are not percent-decoded, because a folder may be named `50%20off` or `why?`. Only a `?` in the last part of
    the path begins the options. Raises `BadSettings`.
    """
    found = _URL.match(url)
    if not found or not found["path"] or found["path"].endswith("/"):
        raise BadSettings(
            f"ASSESS_HOT_STORE: {url!r} does not name a file; write sqlite:///PATH or sqlite:////ABSOLUTE"
        )
    path, options = Path(found["path"]).absolute(), found["options"]
    if options is None:
        return SqlitePlace(path, None)
    asked = _SHARDS.match(options)
    if not asked or not 1 <= int(asked[1]) <= MAX_SHARDS:
        raise BadSettings(
            f"ASSESS_HOT_STORE: {options!r} is not an option; write ?shards=N (1 to {MAX_SHARDS}) or nothing after PATH"
        )
    return SqlitePlace(path, int(asked[1]))
