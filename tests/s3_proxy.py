"""A proxy on loopback in front of an S3 server that can make requests fail."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

_OWN: Final = {"connection", "content-length", "transfer-encoding"}  # headers that the proxy sets itself


class Request(NamedTuple):
    """A request that the proxy received."""

    method: str
    path: str


class Fault(NamedTuple):
    """A fault for a request."""

    status: int
    code: str
    is_forwarded: bool = False
    """Whether the server still gets the request and only its response is lost."""
    headers: tuple[tuple[str, str], ...] = ()


class Proxy:
    """The proxy. Clients that use its `endpoint` reach the server through it."""

    def __init__(self, server: str) -> None:
        self.requests: list[Request] = []
        self._faults: list[tuple[Fault, Callable[[Request], bool], list[None]]] = []
        self._lock = Lock()
        self._target = urlsplit(server)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._http.server_port}"

    @contextmanager
    def run(self) -> Iterator["Proxy"]:
        """Forward requests until the block ends."""
        thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join()

    def fail(self, fault: Fault, method: str, path: str, times: int = 1_000_000) -> None:
        """Apply this fault to the next requests whose method and path match these regular expressions."""
        methods, paths = re.compile(method), re.compile(path)
        self._faults.append(
            (
                fault,
                lambda request: bool(methods.fullmatch(request.method) and paths.search(request.path)),
                [None] * times,
            )
        )

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def count(self, method: str, path: str = "") -> int:
        """The number of matching requests."""
        return sum(request.method == method and bool(re.search(path, request.path)) for request in self.requests)

    def _fault(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for fault, matches, left in self._faults:
                if left and matches(request):
                    left.pop()
                    return fault
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                return

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                fault = proxy._fault(Request(self.command, unquote(self.path)))
                if fault is None or fault.is_forwarded:
                    status, headers, content = proxy._forward(self.command, self.path, list(self.headers.items()), body)
                if fault is not None:
                    status, headers = fault.status, [("content-type", "application/xml"), *fault.headers]
                    content = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code></Error>".encode() * (
                        status >= 300
                    )
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in _OWN or (name.lower() == "content-length" and self.command == "HEAD"):
                        self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            # names that http.server requires
            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

        return Handler

    def _forward(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        # the signature includes the host header of the proxy, so the request keeps this header
        connection = HTTPConnection(self._target.hostname or "", self._target.port)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()


@contextmanager
def proxy_to(server: str) -> Iterator[Proxy]:
    """Runs a proxy in front of an S3 server until the block ends."""
    with Proxy(server).run() as proxy:
        yield proxy
