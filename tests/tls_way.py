"""A TLS proxy in front of a server without TLS: it terminates TLS and forwards every byte."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from ssl import SSLContext
from threading import Thread
from urllib.parse import urlsplit


@contextmanager
def tls_before(server: str, context: SSLContext) -> Iterator[str]:
    """`https://127.0.0.1:PORT`, which forwards to a server at `http://...` until the block ends."""
    target = urlsplit(server)
    ports: SimpleQueue[int] = SimpleQueue()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        its_reader, its_writer = await asyncio.open_connection(target.hostname, target.port)
        with suppress(asyncio.CancelledError):  # a connection that a client keeps open
            await asyncio.gather(_copy(reader, its_writer), _copy(its_reader, writer))
        for each in (writer, its_writer):
            each.transport.abort()

    async def listen() -> None:
        async with await asyncio.start_server(hand_on, "127.0.0.1", 0, ssl=context) as listening:
            ports.put(listening.sockets[0].getsockname()[1])
            await ended.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(listen())

    thread = Thread(target=run)
    thread.start()
    try:
        yield f"https://127.0.0.1:{ports.get()}"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # one side closed, so close the other
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    writer.close()
