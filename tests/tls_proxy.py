"""A TLS proxy in front of a server without TLS. It terminates TLS and forwards every byte."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from ssl import SSLContext
from threading import Thread
from urllib.parse import urlsplit


@contextmanager
def tls_proxy(server: str, context: SSLContext) -> Iterator[str]:
    """Yields `https://127.0.0.1:PORT`, which forwards to the server at `http://...` until the block ends."""
    target = urlsplit(server)
    ports: SimpleQueue[int] = SimpleQueue()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(target.hostname, target.port)
        with suppress(asyncio.CancelledError):  # a client can leave its connection open
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        for each in (writer, server_writer):
            each.transport.abort()

    async def listen() -> None:
        async with await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context) as listening:
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
    with suppress(OSError):  # one side is closed, so close the other one
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    writer.close()
