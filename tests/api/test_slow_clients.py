"""Clients that open many connections and send almost nothing, against the API's own process."""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from graphql_api.protocol import HEAD_SECONDS
from tests.api.client import api
from tests.factories import event

_CONNECTIONS = 900
_OPEN_FILES = 256  # the soft limit that the process starts with, below the connections


@pytest.fixture
def http(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the API of an empty home folder."""
    with api(tmp_path, open_files=_OPEN_FILES) as (_, found):
        yield found


def submit(http: httpx.Client) -> str:
    """The batch's result in the answer to one attempt that is written."""
    message = {"request": {"assessments": [event(batch="b1")]}}
    answer = http.patch("/v1/content/state/update", json=message, timeout=HEAD_SECONDS / 2)
    return str(answer.json()["result"]["b1"])


def test_hundreds_of_slow_connections_delay_no_other_client_and_are_closed(http: httpx.Client) -> None:
    address = ("127.0.0.1", http.base_url.port)
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(_CONNECTIONS)]
        for connection in slow:
            connection.sendall(b"PATCH /v1/content/state/update HTTP/1.1\r\nhost: x\r\nx: ")

        assert submit(http) == "SUCCESS"
        assert not _closed(slow)

        deadline = time.monotonic() + 2 * HEAD_SECONDS
        while len(_closed(slow)) < _CONNECTIONS and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(_closed(slow)) == _CONNECTIONS
        assert submit(http) == "SUCCESS"


def _closed(connections: list[socket.socket]) -> list[socket.socket]:
    """Those that the server has closed: they are readable, and it sent nothing."""
    poll = select.poll()
    by_number = {connection.fileno(): connection for connection in connections}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(0)]
