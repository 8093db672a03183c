"""The keys that are in use: read again regularly, and when a token names an unknown key."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from assess_core.adapters.tokens.keys import Key
from assess_core.errors import AssessError, StoreUnavailable

MAX_AGE: Final = 300.0
"""Seconds after which the keys are read again: a removed key is accepted for at most this long."""
PAUSE: Final = 10.0
"""Seconds between two reads: unknown keys of hostile tokens cannot cause more of them."""

Read = Callable[[], Mapping[str, Key]]


class KeyRing:
    """Keys by `kid`. If they cannot be read again, the old ones stay in use."""

    def __init__(self, read: Read, notify: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._notify = notify
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, Key] = {}
        self._tried: float | None = None
        self._running = False
        self.generation = 0
        """Changes with the keys, so that what an old key proved can be forgotten."""

    def find(self, kid: str | None) -> Key | None:
        """The key with this `kid`. A token without a `kid` gets the only key. Raises `StoreUnavailable`."""
        self.refresh_later()
        keys = self._keys
        if not keys:
            raise StoreUnavailable("the keys of the tokens cannot be read now; send the request again later")
        if kid is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(kid)

    def load(self) -> None:
        """Read the keys now. Raises `BadSettings`, `StoreUnavailable`."""
        self._tried = self._clock()
        keys = self._read()
        if keys.keys() != self._keys.keys() or any(not _is_same(keys[kid], self._keys[kid]) for kid in keys):
            self._keys = keys
            self.generation += 1

    def refresh(self) -> None:
        """Read the keys again, unless that was tried less than `PAUSE` ago. Waits for a read that is running."""
        with self._lock:
            if self._tried is not None and self._clock() - self._tried < PAUSE:
                return
            try:
                self.load()
            except AssessError as error:
                self._notify(f"{error}; the keys that were read before stay in use")

    def refresh_later(self) -> None:
        """Read old keys again in a thread, so that no request waits for it."""
        if self._tried is None or self._clock() - self._tried < (MAX_AGE if self._keys else PAUSE) or self._running:
            return
        self._running = True
        threading.Thread(target=self._refresh_once, daemon=True).start()

    def _refresh_once(self) -> None:
        try:
            self.refresh()
        finally:
            self._running = False


def _is_same(one: Key, other: Key) -> bool:
    if one.algorithm != other.algorithm:
        return False
    if isinstance(one.key, bytes) or isinstance(other.key, bytes):
        return one.key == other.key
    same: bool = one.key.key == other.key.key
    return same
