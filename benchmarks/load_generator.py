"""Sends HTTP requests on kept connections, and notes how long each answer took.

*Closed*: each client sends its next request when it has its answer, so the server decides the rate. *Open*: requests
arrive at a fixed rate, whether the server keeps up or not, and the time of an answer counts from the arrival. So a
slow answer cannot hide those that wait behind it.

Only the standard library and uvloop: a request costs the generator about a sixth of what it costs the server. Its timer
ticks every millisecond, so an answer of the open kind may seem up to a millisecond slower.
"""

import asyncio
import gc
import multiprocessing
import time
from array import array
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from typing import Any, Final, NamedTuple, TypeVar, cast

import uvloop

T = TypeVar("T")
_TICK: Final = 0.001  # seconds
_LATEST: Final = 5.0
"""Seconds that the last answers may take after the end."""


class Load(NamedTuple):
    """What is sent: the requests in turn, by all clients together."""

    port: int
    requests: Sequence[bytes]
    clients: int
    seconds: float


class Answers(NamedTuple):
    """What came back."""

    seconds: float
    answered: int
    errors: int
    error: str
    """The first wrong answer; empty if there was none."""
    p50: float
    """Seconds."""
    p99: float
    cpu: float = 0.0
    """Processor seconds of the generator."""


class Tally:
    """The answers since it was last read."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._begin()

    def _begin(self) -> None:
        self._times, self._errors, self._error = array("d"), 0, ""

    def add(self, seconds: float) -> None:
        """Note a right answer."""
        self._times.append(seconds)

    def add_error(self, error: str) -> None:
        """Note a wrong answer, or none."""
        self._errors += 1
        self._error = self._error or error

    def read(self) -> Answers:
        """All answers since the last call."""
        now = time.perf_counter()
        found = sorted(self._times)
        half, most = (found[int((len(found) - 1) * share)] if found else 0.0 for share in (0.5, 0.99))
        answers = Answers(now - self._started, len(found), self._errors, self._error, half, most)
        self._started = now
        self._begin()
        return answers


class _Connection(asyncio.Protocol):
    """One client: sends a request at a time. After a lost connection it sends no more."""

    def __init__(self, tally: Tally, when_idle: Callable[["_Connection"], None]) -> None:
        self._tally = tally
        self._when_idle = when_idle
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._missing = 0
        """Bytes until the end of the answer; 0 while its head is incomplete."""
        self._due = 0.0
        self._error = ""
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server accepted."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended. An answer that is missing is an error."""
        self._transport = None
        if self._waits:
            self._end(f"the server closed the connection: {exc}")

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport is None

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at this time."""
        self._due, self._waits, self._error = due, True, ""
        if self._transport is None:
            self._end("the connection is lost")
        else:
            self._transport.write(request)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """A part of an answer arrived."""
        if self._missing:
            self._missing -= len(data)
        else:
            self._received += data
            head, end, body = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            self._received = b""
            self._missing = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) - len(body)
            if not head.startswith(b"HTTP/1.1 200") or body.startswith(b'{"errors"'):
                self._error = f"{head[:40]!r} {body[:200]!r}"
        if not self._missing:
            self._end(self._error)

    def _end(self, error: str) -> None:
        self._waits = False
        if error:
            self._tally.add_error(error)
        else:
            self._tally.add(time.perf_counter() - self._due)
        self._when_idle(self)


async def closed(load: Load) -> Answers:
    """Send as fast as the answers come."""
    tally, requests, end = Tally(), cycle(load.requests), time.perf_counter() + load.seconds
    left, done = load.clients, asyncio.Event()

    def go_on(connection: _Connection) -> None:
        nonlocal left
        now = time.perf_counter()
        if now < end and not connection.is_lost:
            connection.send(next(requests), now)
        else:
            left -= 1
            if not left:
                done.set()

    connections = await _connect(load, tally, go_on)
    for connection in connections:
        go_on(connection)
    await done.wait()
    answers = tally.read()
    for connection in connections:
        connection.close()
    return answers


async def opened(load: Load, rate: float, tally: Tally) -> None:
    """Send at this rate (requests a second). The tally can be read meanwhile."""
    requests, idle, waiting = cycle(load.requests), deque[_Connection](), deque[float]()

    def go_on(connection: _Connection) -> None:
        if waiting and not connection.is_lost:
            connection.send(next(requests), waiting.popleft())
        elif not connection.is_lost:
            idle.append(connection)

    connections = await _connect(load, tally, go_on)
    idle.extend(connections)
    due = time.perf_counter()
    end = due + load.seconds
    while due < end:
        now = time.perf_counter()
        while due <= now:
            waiting.append(due)
            due += 1 / rate
        while idle and waiting:
            idle.popleft().send(next(requests), waiting.popleft())
        await asyncio.sleep(_TICK)
    latest = time.perf_counter() + _LATEST
    while len(idle) < load.clients and time.perf_counter() < latest:
        await asyncio.sleep(_TICK)
    for connection in connections:
        connection.close()
    await asyncio.sleep(0)
    for _ in waiting:
        tally.add_error("not sent: all clients waited for an answer")


async def _connect(load: Load, tally: Tally, when_idle: Callable[[_Connection], None]) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Connection(tally, when_idle), "127.0.0.1", load.port)
        for _ in range(load.clients)
    ]
    return [connection for _, connection in made]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in this process on uvloop, without pauses of the garbage collector for what was prepared."""
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def send(*loads: Load) -> list[Answers]:
    """Send closed loads at the same time, each from its own process. Each process ends before this returns."""
    # spawned: a forked process would begin with a copy of the memory of this one
    with ProcessPoolExecutor(len(loads), multiprocessing.get_context("spawn")) as executor:
        return list(executor.map(_send, loads))


def _send(load: Load) -> Answers:
    started = time.process_time()
    answers = run(closed(load))
    return answers._replace(cpu=time.process_time() - started)
