"""HTTP clients of the API: without a socket, of a server in this process, and of a process of its own."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.applications import Starlette

from graphql_api.protocol import LimitedProtocol
from tests.forked import Forked

PATIENCE = 60  # seconds for an answer of the API's process
WITHOUT_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For `verify` of clients that use http:// only. Otherwise each one reads 117 certificates, which takes 13 ms."""


class Http:
    """Sends requests of any thread on one event loop. An error that the app does not catch becomes a 500."""

    def __init__(self, app: Starlette, portal: BlockingPortal, address: str) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 50_000))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
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
def client(app: Starlette, address: str = "127.0.0.1") -> Iterator[Http]:
    """A client with this address, for as long as the block runs."""
    with start_blocking_portal() as portal:
        yield Http(app, portal, address)


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


@contextmanager
def api(
    home: Path, *options: str, open_files: int | None = None, **env: str
) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
    """The API as a process, and a client of it. `open_files`: the soft limit that the process starts with."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
    command = ["-m", "graphql_api", "--port", "0", *options]
    limit = ["bash", "-c", f'ulimit -Sn {open_files}; exec "$@"', "bash", sys.executable]
    with (Forked[str] if open_files is None else subprocess.Popen[str])(
        command if open_files is None else [*limit, *command],
        env={**clean, "ASSESS_HOME": str(home), **env},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            printed = process.stderr.readline()
            assert printed.startswith("API on "), printed + process.stderr.read()
            port = int(printed.rsplit(":", 1)[1].split("/")[0])
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, verify=WITHOUT_TLS, trust_env=False, timeout=PATIENCE) as found:
                yield process, found
        finally:
            process.kill()
