"""Servers on this machine that send what a test says, byte by byte or without end."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Script = Callable[[socket.socket], None]
"""What a server does with a connection."""


@contextmanager
def hostile(script: Script) -> Iterator[int]:
    """A server that runs the script for each connection; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stopped = threading.Event()

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(5)
                script(connection)

        def accept() -> None:
            while not stopped.is_set():
                with suppress(OSError):
                    connection, _ = listening.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            stopped.set()
            with suppress(OSError):
                socket.create_connection(listening.getsockname()).close()
            thread.join()


def sends(beginning: bytes, again: bytes = b"", pause: float = 0.0) -> Script:
    """Sends a beginning, and then the same bytes again and again until the client leaves."""

    def script(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while again:
            connection.sendall(again)
            threading.Event().wait(pause)
        connection.recv(65536)

    return script


def silent(connection: socket.socket) -> None:
    """Accepts a connection and never answers."""
    while connection.recv(65536):
        pass


def talks(*lines: bytes, endlessly: bytes = b"") -> Script:
    """Speaks SMTP: a line for each line of the client, the first one at once. Then it leaves, or never ends."""

    def script(connection: socket.socket) -> None:
        with connection.makefile("rb") as heard:
            for number, line in enumerate(lines):
                if number:
                    heard.readline()
                connection.sendall(line + b"\r\n")
            while endlessly:
                connection.sendall(endlessly)

    return script


def accepts_a_message(then: bytes) -> Script:
    """Speaks SMTP until a message has come, and then sends these bytes."""

    def script(connection: socket.socket) -> None:
        talks(b"220 test", b"250 test", b"250 ok", b"250 ok", b"354 go on")(connection)
        received = b""
        while b"\r\n.\r\n" not in received:
            received += connection.recv(65536)
        connection.sendall(then)
        silent(connection)

    return script
