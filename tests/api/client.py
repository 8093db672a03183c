"""An HTTP client that calls the app without a socket, and a server for tests that need one."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.applications import Starlette

from graphql_api.protocol import LimitedProtocol


class Http:
    """Sends requests of any thread on one event loop. An error that the app does not catch becomes a 500."""

    def __init__(self, app: Starlette, portal: BlockingPortal) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://localhost"
        )
        self._portal = portal

    def request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Like `httpx.request`."""
        return self._portal.call(partial(self._client.request, method, path, **sent))

    def get(self, path: str, **sent: Any) -> httpx.Response:
        """Like `httpx.get`."""
        return self.request("GET", path, **sent)

    def patch(self, path: str, **sent: Any) -> httpx.Response:
        """Like `httpx.patch`."""
        return self.request("PATCH", path, **sent)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        """Like `httpx.post`."""
        return self.request("POST", path, **sent)


@contextmanager
def client(app: Starlette) -> Iterator[Http]:
    """A client for as long as the block runs."""
    with start_blocking_portal() as portal:
        yield Http(app, portal)


@contextmanager
def served(app: Starlette) -> Iterator[int]:
    """Serve the app as the product does; gives the port, a free one of the loopback address."""
    config = uvicorn.Config(app, log_level="critical", http=LimitedProtocol, ws="none", lifespan="off")
    server, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
