"""Limits of a connection: the size of a request head, the time for it, and later requests."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from graphql_api import protocol
from graphql_api.protocol import MOST_HEAD_BYTES
from tests.api.client import served

GET = b"GET / HTTP/1.1\r\nhost: x\r\n"


async def _answer(request: Request) -> PlainTextResponse:
    body = await request.body()
    return PlainTextResponse(f"{request.headers.get('authorization', '')} {len(body)}")


@pytest.fixture
def port() -> Iterator[int]:
    """A server with the limits, on a free port."""
    app = Starlette(routes=[Route("/", _answer, methods=["GET", "POST"])])
    with served(app) as number:
        yield number


def talk(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send parts, and return what the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        except (BrokenPipeError, ConnectionResetError):
            return received if "received" in locals() else b""
        return received


def test_a_request_of_the_usual_size_is_answered(port: int) -> None:
    body = b"x" * 300_000
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)

    assert talk(port, head + body).endswith(b"300000")


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"


def test_a_trailer_is_no_header(port: int) -> None:
    trailers = b"authorization: Bearer forged\r\nhost: evil.test\r\n\r\n"
    assert talk(port, CHUNKED + b"2\r\nxx\r\n0\r\n" + trailers).endswith(b"\r\n\r\n 2")


@pytest.mark.parametrize("endless", [b"0\r\nx: ", b"0\r\n", b"1;x="], ids=["a trailer", "trailers", "an extension"])
def test_trailers_without_end_are_refused(port: int, endless: bytes) -> None:
    more = b"x: " + b"y" * 997 + b"\r\n" if endless == b"0\r\n" else b"y" * 1000
    received = talk(port, CHUNKED + b"2\r\nxx\r\n", endless, *[more] * 1000)
    assert received == b"" or received.startswith(b"HTTP/1.1 4")


def test_headers_of_many_megabytes_are_refused_before_they_have_all_arrived(port: int) -> None:
    header = b"x: " + b"y" * 8000 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(GET)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 80_000_000:
                sent += connection.send(header)
    assert sent < 20_000_000  # the kernel buffers this much, and the server reads no more


@pytest.mark.parametrize("header", [b"x: " + b"y" * (MOST_HEAD_BYTES + 1), b"\r\n".join([b"x: y"] * 20_000)])
def test_headers_over_the_limit_get_431(port: int, header: bytes) -> None:
    # the system can drop an answer if the client still sends; then the client reads nothing
    answers = {talk(port, GET + header + b"\r\n\r\n")[:12] for _ in range(10)}

    assert b"HTTP/1.1 431" in answers
    assert answers <= {b"HTTP/1.1 431", b""}


def test_a_client_that_never_ends_its_headers_is_disconnected(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)

    started = time.monotonic()
    assert talk(port, GET) == b""
    assert talk(port) == b""
    assert time.monotonic() - started < 15


def test_an_empty_line_after_an_answer_does_not_keep_a_connection_open(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)

    started = time.monotonic()
    assert b"200 OK" in talk(port, GET + b"\r\n", b"\r\n", pause=0.3)
    assert time.monotonic() - started < 4  # uvicorn's own limit for an idle connection is 5 s


def test_each_of_several_requests_on_one_connection_is_measured_separately(port: int) -> None:
    large = GET + b"x: " + b"y" * (MOST_HEAD_BYTES // 2) + b"\r\n"

    answer = talk(port, (large + b"\r\n") * 3, large + b"connection: close\r\n\r\n")

    assert answer.count(b"HTTP/1.1 200") == 4
