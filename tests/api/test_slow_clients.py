"""Clients that open many connections and send almost nothing, against the API's own process."""

import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from graphql_api.protocol import HEAD_SECONDS
from tests.factories import event

_CONNECTIONS = 900
_OPEN_FILES = 256  # the soft limit that the process starts with, below the connections


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The API of an empty home folder, started by a shell that allows few open files."""
    command = f"ulimit -Sn {_OPEN_FILES}; exec {sys.executable} -P -m graphql_api --port 0"
    env = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
    env["ASSESS_HOME"] = str(tmp_path)
    with subprocess.Popen(["bash", "-c", command], stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        try:
            address = process.stderr.readline()  # API on http://127.0.0.1:PORT/graphiql
            yield int(address.rpartition(":")[2].split("/")[0])
        finally:
            process.terminate()


def submit(port: int) -> str:
    """The batch's result in the answer to one attempt that is written."""
    body = json.dumps({"request": {"assessments": [event(batch="b1")]}}).encode()
    url = f"http://127.0.0.1:{port}/v1/content/state/update"
    request = urllib.request.Request(url, body, {"content-type": "application/json"}, method="PATCH")
    with urllib.request.urlopen(request, timeout=HEAD_SECONDS / 2) as response:
        return str(json.load(response)["result"]["b1"])


def test_hundreds_of_slow_connections_delay_no_other_client_and_are_closed(port: int) -> None:
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(_CONNECTIONS)
        ]
        for connection in slow:
            connection.sendall(b"PATCH /v1/content/state/update HTTP/1.1\r\nhost: x\r\nx: ")

        assert submit(port) == "SUCCESS"
        assert not _closed(slow)

        deadline = time.monotonic() + 2 * HEAD_SECONDS
        while len(_closed(slow)) < _CONNECTIONS and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(_closed(slow)) == _CONNECTIONS
        assert submit(port) == "SUCCESS"


def _closed(connections: list[socket.socket]) -> list[socket.socket]:
    """Those that the server has closed: they are readable, and it sent nothing."""
    poll = select.poll()
    by_number = {connection.fileno(): connection for connection in connections}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(0)]
