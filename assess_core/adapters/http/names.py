"""Names from the search services of a Sunbird platform, cached."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from assess_core.adapters.http.client import NoAnswer, is_protected, read_url
from assess_core.chunks import chunks
from assess_core.domain.names import WITHOUT_NAMES, Named, NameKind, add_name, limited
from assess_core.errors import BadNames, BadSettings, StoreUnavailable
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.findings import Finding, Level
from assess_core.privacy import hidden
from assess_core.retrying import retrying

_AT_ONCE: Final = 100  # ids of a request; a search answers with 100 entries by default
_PAGES: Final = 20  # of one request; an id can be found several times
_SECONDS: Final = 10.0  # for one answer
_DEADLINE: Final = 30.0  # seconds for one request with its retries
_MOST_BYTES: Final = 16 * 1024**2
_FRESH: Final = 600.0  # seconds that a name is cached
_MOST_CACHED: Final = 100_000
_MOST_CACHED_CHARACTERS: Final = 16 * 1024**2  # of ids and names; Python stores one in one to four bytes
_CLIENT_ERRORS: Final = range(400, 500)
_BUSY: Final = (408, 429)


class _Search(NamedTuple):
    """How a kind of names is searched."""

    path: str
    filters: Callable[[Sequence[str]], dict[str, object]]
    ids: tuple[str, ...]
    """The members that can hold the id."""
    fields: tuple[str, ...]
    named: Callable[[Mapping[str, Any]], Named]


def _content(ids: Sequence[str]) -> dict[str, object]:
    # without a status only live content is found, and reports are also about retired courses
    return {"identifier": ids, "status": ["Live", "Unlisted", "Retired"]}


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return limited(value) if isinstance(value, str) else ""


def _of_title(entry: Mapping[str, Any]) -> Named:
    return Named(_text(entry, "name"))


def _of_learner(entry: Mapping[str, Any]) -> Named:
    parts = (_text(entry, "firstName").strip(), _text(entry, "lastName").strip())
    return Named(limited(" ".join(part for part in parts if part)), _text(entry, "rootOrgName"))


_TITLE: Final = _Search("composite/v1/search", _content, ("identifier",), ("identifier", "name"), _of_title)
_SEARCHES: Final = {
    NameKind.COURSE: _TITLE,
    NameKind.ASSESSMENT: _TITLE,
    NameKind.BATCH: _Search(
        "course/v1/batch/list",
        lambda ids: {"batchId": ids},
        ("batchId", "identifier", "id"),
        ("batchId", "identifier", "name"),
        _of_title,
    ),
    NameKind.LEARNER: _Search(
        "user/v1/search",
        lambda ids: {"userId": ids},
        ("userId", "identifier", "id"),
        ("userId", "identifier", "firstName", "lastName", "rootOrgName"),
        _of_learner,
    ),
}
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class _Cached(NamedTuple):
    named: Named | None
    until: float


class SearchNames:
    """Names from `URL/composite/v1/search`, `URL/course/v1/batch/list` and `URL/user/v1/search`.

    It is thread-safe. Names are cached for ten minutes, also that an id has none.
    """

    def __init__(self, url: str, token: str) -> None:
        """Raises `BadSettings`."""
        if not is_protected(url) or "?" in url or "#" in url:
            raise BadSettings(
                f"ASSESS_NAMES: {hidden(url)!r} cannot be used; write https://HOST/PATH (http:// only for a server on "
                "this machine), and a password or token in ASSESS_NAMES_TOKEN"
            )
        self._url = url.rstrip("/")
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._cache: dict[tuple[NameKind, str], _Cached] = {}
        self._cached_characters = 0
        self._lock = threading.Lock()

    @property
    def source(self) -> str:
        """The URL, without secrets."""
        return hidden(self._url)

    @property
    def sha256(self) -> None:
        """See `OpenedNames.sha256`."""
        return None

    def open(self) -> "SearchNames":
        """See `Names.open`."""
        return self

    def look_up(self, kind: NameKind, ids: Sequence[str]) -> dict[str, Named]:
        """See `OpenedNames.look_up`."""
        now = time.monotonic()
        with self._lock:
            known = {id_: self._cache.get((kind, id_)) for id_ in ids}
        found = {id_: cached.named for id_, cached in known.items() if cached is not None and now < cached.until}
        for some in chunks([id_ for id_ in ids if id_ not in found], _AT_ONCE):
            checkpoint()
            searched = self._search(kind, some)
            found |= {id_: searched.get(id_) for id_ in some}
            self._remember(kind, some, searched)
        return {id_: named for id_, named in found.items() if named is not None}

    def examine(self) -> Iterator[Finding]:
        """See `Names.examine`."""
        for kind in (NameKind.COURSE, NameKind.BATCH, NameKind.LEARNER):
            self._search(kind, ["assess-doctor"])
        yield Finding(Level.OK, "names", f"{self.source} answers searches for courses, batches and learners")

    def _search(self, kind: NameKind, ids: Sequence[str]) -> dict[str, Named]:
        """The names of some ids, page by page: a search can find an id several times."""
        search, wanted = _SEARCHES[kind], set(ids)
        found: dict[str, Named] = {}
        offset = 0
        for _ in range(_PAGES):
            count, entries = self._page(search, ids, offset)
            for entry in entries:
                texts = (id_ for name in search.ids if isinstance(id_ := entry.get(name), str))
                id_ = next((text for text in texts if text in wanted), None)
                named = search.named(entry)
                if id_ is not None and named != Named():
                    add_name(found, id_, named, kind, self.source)
            offset += len(entries)
            if not entries or offset >= count:
                return found
        raise BadNames(
            f"{self.source}/{search.path} has more than {_PAGES * _AT_ONCE:,} entries for {len(ids)} ids; "
            f"check ASSESS_NAMES, {WITHOUT_NAMES}"
        )

    def _page(self, search: _Search, ids: Sequence[str], offset: int) -> tuple[int, list[Mapping[str, Any]]]:
        """The number of entries that a search finds, and one page of them."""
        asked = {
            "request": {
                "filters": search.filters(ids),
                "fields": list(search.fields),
                "limit": _AT_ONCE,
                "offset": offset,
            }
        }
        answer = self._ask(search.path, msgspec.json.encode(asked))
        try:
            result = _decode(answer)["result"]
            part = result.get("response", result)
            count = part["count"]
            lists = [value for value in part.values() if isinstance(value, list)]
            entries: list[Mapping[str, Any]] = [entry for each in lists for entry in each if isinstance(entry, dict)]
            if not isinstance(count, int):
                raise TypeError("count is not a number")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise BadNames(
                f"{self.source}/{search.path} does not answer like Sunbird's search; check ASSESS_NAMES, "
                f"{WITHOUT_NAMES}"
            ) from error
        return count, entries

    def _ask(self, path: str, body: bytes) -> bytes:
        url = f"{self._url}/{path}"
        try:
            return retrying(_is_temporary, deadline_seconds=_DEADLINE)(
                lambda: read_url(url, seconds=_SECONDS, most_bytes=_MOST_BYTES, body=body, headers=self._headers)
            )
        except NoAnswer as error:
            if _is_temporary(error):
                raise StoreUnavailable(
                    f"the source of names {hidden(url)} {error}; wait and try again, {WITHOUT_NAMES}"
                ) from error
            raise BadNames(
                f"the source of names {hidden(url)} {error}; check ASSESS_NAMES and ASSESS_NAMES_TOKEN, {WITHOUT_NAMES}"
            ) from error

    def _remember(self, kind: NameKind, ids: Sequence[str], found: Mapping[str, Named]) -> None:
        until = time.monotonic() + _FRESH
        new = {(kind, id_): _Cached(found.get(id_), until) for id_ in ids}
        characters = sum(len(id_) + sum(map(len, cached.named or ())) for (_, id_), cached in new.items())
        with self._lock:
            full = len(self._cache) + len(ids) > _MOST_CACHED
            if full or self._cached_characters + characters > _MOST_CACHED_CHARACTERS:
                self._cache.clear()
                self._cached_characters = 0
            self._cache |= new
            self._cached_characters += characters  # a name that replaces another one counts twice


def _is_temporary(error: BaseException) -> bool:
    if not isinstance(error, NoAnswer):
        return False
    return error.status is None or error.status in _BUSY or error.status not in _CLIENT_ERRORS
