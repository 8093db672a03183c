"""Acknowledged requests per second of the write API: clients keep their connections and send one attempt per request.

The limit appends the same messages to the same log directly, as many at a time. For comparison, the API with a log that
acknowledges immediately shows the cost of HTTP, JSON and validation.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import msgspec
import uvicorn

from assess_core.domain.samples import sample_events
from assess_core.ports.log import Intake, Message
from assess_core.settings import Settings
from assess_core.wiring import open_hot, open_log, open_stores

_ROUNDS: Final = 3  # ours, limit and HTTP alone take turns, because the speed of the machine varies
_CONNECTIONS: Final = 64
_IDS: Final = ("userId", "courseId", "batchId", "contentId", "attemptId")


class Measured(NamedTuple):
    """Requests per second."""

    ours: float
    limit: float
    http: float

    @property
    def ratio(self) -> float:
        return self.ours / self.limit


def _messages(count: int) -> list[Message]:
    """Attempts as a client of Sunbird submits them; about 2 kB each."""
    found: list[Message] = []
    seed = 0
    while len(found) < count:
        for line in sample_events(count, seed):
            try:
                read = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
            item = read.get("value", read) if isinstance(read, dict) else {}
            if item.get("events") and "assessmentTs" in item and all(_is_id(item.get(name)) for name in _IDS):
                found.append(Message(item["userId"], msgspec.json.encode(item)))
        seed += 1
    return found[:count]


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


# --- every target gets the same number of requests at a time ---


async def _all(take: Sequence[Callable[[int], Awaitable[None]]], count: int) -> float:
    """Messages per second of these workers, which are all busy until every message is done."""
    numbers = iter(range(count))

    async def busy(one: Callable[[int], Awaitable[None]]) -> None:
        for number in numbers:
            await one(number)

    started = time.perf_counter()
    await asyncio.gather(*map(busy, take))
    return count / (time.perf_counter() - started)


async def _bare(intake: Intake, messages: Sequence[Message]) -> float:
    async def take(number: int) -> None:
        await asyncio.wrap_future(intake.append([messages[number]]))

    return await _all([take] * _CONNECTIONS, len(messages))


async def _over_http(port: int, messages: Sequence[Message]) -> float:
    requests = [_request(message) for message in messages]
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(_CONNECTIONS)]

    def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Callable[[int], Awaitable[None]]:
        async def take(number: int) -> None:
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))

        return take

    rate = await _all([client(*connection) for connection in connections], len(messages))
    for _, writer in connections:
        writer.close()
    return rate


def _request(message: Message) -> bytes:
    body = b'{"request":{"assessments":[%b]}}' % message.value
    return (
        b"PATCH /v1/content/state/update HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )


# --- servers ---


@contextmanager
def server(*command: str, settings: Settings) -> Iterator[int]:
    """The port of an API that runs as its own process."""
    env = {**os.environ, **settings.env()}
    with subprocess.Popen([sys.executable, *command], env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield int(process.stderr.readline().rsplit(":", 1)[1].split("/")[0])
        finally:
            process.terminate()


class _Nowhere:
    """A log that acknowledges immediately."""

    def append(self, messages: Sequence[Message]) -> "Future[None]":
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def close(self) -> None:
        """Nothing to close."""


def serve_without_log() -> None:
    """Serve the API over a log that stores nothing, until it is killed."""
    from assess_core.usecases.queries import Queries
    from graphql_api.app import create_app

    stores = open_stores(Settings.from_env(os.environ))
    app = create_app(Queries(stores, 0, lambda: 0), _Nowhere())
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        print(f"API on http://127.0.0.1:{listening.getsockname()[1]}/", file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


def _rates(settings: Settings, messages: Sequence[Message]) -> Measured:
    alone = "from benchmarks.write_api import serve_without_log; serve_without_log()"
    with (
        closing(open_log(settings, open_hot(settings)[1]).intake()) as intake,
        server("-m", "graphql_api", "--port", "0", settings=settings) as port,
        server("-c", alone, settings=settings) as without_log,
    ):
        turns = [
            (
                asyncio.run(_over_http(port, messages)),
                asyncio.run(_bare(intake, messages)),
                asyncio.run(_over_http(without_log, messages)),
            )
            for _ in range(_ROUNDS)
        ]
    return Measured(*map(median, zip(*turns, strict=True)))


def main(requests: int = 10_000, log: str = "") -> Measured:
    """Measure and print; `log` is an ASSESS_LOG, by default a temporary folder."""
    messages = _messages(requests)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        env: dict[str, Any] = {"ASSESS_LOG": log}
        settings = Settings.from_env(env, str(Path(folder) / "home"))
        found = _rates(settings, messages)
    print(
        f"write API: {found.ours:,.0f} requests/s acknowledged, {_CONNECTIONS} at a time, limit (appending to the "
        f"log directly) {found.limit:,.0f}/s, {found.ratio:.2f} of the limit; HTTP without a log {found.http:,.0f}/s"
    )
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000, *sys.argv[2:3])
