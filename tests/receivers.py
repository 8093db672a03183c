"""Small real receivers of notices: a web server and an SMTP server on this machine."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Received:
    """What a receiver got, and how it answers."""

    def __init__(self) -> None:
        self.port = 0
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        """The answers to the next requests; afterwards 200, or 250 of SMTP."""

    def next_status(self, usual: int) -> int:
        return self.statuses.pop(0) if self.statuses else usual


@contextmanager
def _running(server: socketserver.TCPServer, received: Received) -> Iterator[Received]:
    received.port = int(server.socket.getsockname()[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def web_receiver() -> Iterator[Received]:
    """A web server that accepts every POST."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            received.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(received.next_status(200))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    with _running(ThreadingHTTPServer(("127.0.0.1", 0), Handler), received) as found:
        yield found


@contextmanager
def mail_receiver() -> Iterator[Received]:
    """An SMTP server without encryption and login, which accepts every message."""
    received = Received()

    class Handler(socketserver.StreamRequestHandler):
        def answer(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.answer("220 test")
            while line := self.rfile.readline():
                word = line.strip().upper()
                if word == b"QUIT":
                    return self.answer("221 bye")
                if word == b"DATA":
                    self.answer("354 go on")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    received.bodies.append(b"".join(lines))
                    self.answer(f"{received.next_status(250)} done")
                else:
                    self.answer("250 ok")
            return None

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with _running(Server(("127.0.0.1", 0), Handler), received) as found:
        yield found
