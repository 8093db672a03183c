"""Limits of requests: how many a caller or an address may send in a time, and how many at the same time."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from assess_core.domain.access import Role
from assess_core.domain.rates import Rate
from assess_core.settings import ApiSettings
from graphql_api.envelopes import refusal
from graphql_api.gate import caller_in
from graphql_api.permissions import PROBES

MOST_KEYS: Final = 10_000
"""The callers that are counted. If there are more, the one whose window began first is counted from zero again."""
_PREFIX_OF_A_NETWORK: Final = 64
"""The bits of an IPv6 address that name a network: one client can use every address of it."""

Clock = Callable[[], float]


class Limits(NamedTuple):
    """The limits of one key; None: no limit."""

    rate: Rate | None = None
    at_once: int | None = None


class ApiLimits(NamedTuple):
    """The limits of each address and of each caller."""

    address: Limits = Limits()
    caller: Limits = Limits()

    @classmethod
    def of(cls, api: ApiSettings) -> "ApiLimits":
        """The limits that the settings name."""
        return cls(Limits(api.address_rate, api.address_at_once), Limits(api.caller_rate, api.caller_at_once))


class Windows:
    """Counts the requests of each key, in windows that begin with a request of the key."""

    def __init__(self, rate: Rate, clock: Clock = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()  # key -> end and count, by end

    def wait(self, key: str) -> float:
        """Count a request. 0 if it is allowed, otherwise the seconds until the window ends."""
        now = self._clock()
        while self._windows and next(iter(self._windows.values()))[0] <= now:
            self._windows.popitem(last=False)
        end, count = self._windows.get(key, (now + self._rate.seconds, 0))
        if count >= self._rate.requests:
            return end - now
        self._windows[key] = end, count + 1
        if len(self._windows) > MOST_KEYS:
            self._windows.popitem(last=False)
        return 0.0


class Throttle:
    """An ASGI layer that answers 429 to requests beyond the limits of their key. A key of None has no limits."""

    def __init__(self, app: ASGIApp, limits: Limits, key_of: Callable[[Scope], str | None]) -> None:
        self._app = app
        self._key_of = key_of
        self._rate = limits.rate
        self._windows = Windows(limits.rate) if limits.rate else None
        self._at_once = limits.at_once
        self._running: dict[str, int] = {}  # only keys with a request now, so connections limit its size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 429 with `Retry-After`."""
        key = self._key_of(scope) if scope["type"] == "http" and scope["path"] not in PROBES else None
        if key is None:
            await self._app(scope, receive, send)
            return
        if self._at_once is not None and self._running.get(key, 0) >= self._at_once:
            message = f"more than {self._at_once} requests at the same time; wait for an answer before the next one"
            await _refuse(scope, receive, send, message, 1)
            return
        wait = self._windows.wait(key) if self._windows else 0.0
        if wait and self._rate:
            seconds = math.ceil(wait)
            await _refuse(scope, receive, send, f"more than {self._rate.sentence}; wait {seconds} s", seconds)
            return
        self._running[key] = self._running.get(key, 0) + 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]


async def _refuse(scope: Scope, receive: Receive, send: Send, message: str, seconds: int) -> None:
    await refusal(scope, 429, message, {"retry-after": str(seconds)})(scope, receive, send)


def address_of(scope: Scope) -> str | None:
    """The address of a client, or its network; None for this machine."""
    client = scope.get("client")
    return _network_of(client[0]) if client else None


@lru_cache(maxsize=MOST_KEYS)  # parsing takes 5 % of a read's time
def _network_of(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # a proxy wrote something else
        return text[:100]
    if address.version == 6:
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return None
    if address.version == 6:
        return str(ipaddress.ip_network((address, _PREFIX_OF_A_NETWORK), strict=False))
    return str(address)


def subject_of(scope: Scope) -> str | None:
    """The owner of the token; None for operators, because a gateway asks in the name of many people."""
    caller = caller_in(scope)
    return None if caller is None or Role.OPERATOR in caller.roles else caller.id
