"""Acknowledged requests per second of the write API: clients keep their connections and send one attempt per request.

The limit appends the same messages to the same log directly, as many at a time. The peer is the API with a log that
acknowledges immediately: the cost of HTTP, JSON and validation.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import uvicorn

from assess_core.ports.log import Intake, Message
from assess_core.settings import Settings
from assess_core.wiring import open_hot, open_log, open_stores
from benchmarks.data import events
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_REQUESTS: Final = 10_000
_CONNECTIONS: Final = 64


def _messages(count: int) -> list[Message]:
    """Attempts as a client submits them."""
    values = (msgspec.json.decode(line)["value"] for line in events(count))
    return [Message(value["userId"], msgspec.json.encode(value)) for value in values]


# --- every target gets the same number of requests at a time ---


async def _all(take: Sequence[Callable[[int], Awaitable[None]]], count: int) -> None:
    """Keep these workers busy until every message is done."""
    numbers = iter(range(count))

    async def busy(one: Callable[[int], Awaitable[None]]) -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*map(busy, take))


async def _bare(intake: Intake, messages: Sequence[Message], at_once: int) -> None:
    async def take(number: int) -> None:
        await asyncio.wrap_future(intake.append([messages[number]]))

    await _all([take] * at_once, len(messages))


async def _over_http(port: int, messages: Sequence[Message]) -> None:
    requests = [_request(message) for message in messages]
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(_CONNECTIONS)]

    def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Callable[[int], Awaitable[None]]:
        async def take(number: int) -> None:
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))

        return take

    await _all([client(*connection) for connection in connections], len(messages))
    for _, writer in connections:
        writer.close()


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


@contextmanager
def _served(words: Sequence[str], settings: Settings, count: int) -> Iterator[Work]:
    messages = _messages(count)
    with server(*words, settings=settings) as port:
        yield lambda: asyncio.run(_over_http(port, messages))


@contextmanager
def appended(settings: Settings, count: int, at_once: int = _CONNECTIONS) -> Iterator[Work]:
    """Append attempts to the log directly."""
    messages = _messages(count)
    with closing(open_log(settings, open_hot(settings)[1]).intake()) as intake:
        yield lambda: asyncio.run(_bare(intake, messages, at_once))


def write_api_row(size: Size) -> Row:
    """Requests of one attempt each, 64 at a time, into the folder log."""
    count = size.of(_REQUESTS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        settings = Settings.from_env({}, str(Path(folder) / "home"))
        without = ["-c", "from benchmarks.write_api import serve_without_log; serve_without_log()"]
        sides = {
            "ours": partial(alone, _served, ["-m", "graphql_api", "--port", "0"], settings, count),
            "peer": partial(alone, _served, without, settings, count),
            "limit": partial(alone, appended, settings, count),
        }
        runs = in_turn(size, sides)
    return Row(
        "write-api",
        "requests/s",
        Side("acknowledged", count, runs["ours"]),
        Side("the same API without a log", count, runs["peer"]),
        Side("appending to the log directly", count, runs["limit"]),
        "processor time and memory include the clients",
    )
