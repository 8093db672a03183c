"""Servers for the load benchmarks, each in its own process: ours with keys, and a bare Starlette handler.

`serve_from_memory` is the whole product with the hot store in memory. The clients are learners with tokens of their
own, so that no one meets the limit of a learner (600 requests a minute); this machine's address has no limit.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

from assess_core.adapters.memory import MemoryHot
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from assess_core.wiring import open_stores, stores_of
from benchmarks.data import decoded, events

_KEYS: Final = ed25519.Ed25519PrivateKey.generate()
_TOKEN_SECONDS: Final = 24 * 3600
_EVENTS_OF_MEMORY: Final = "BENCHMARK_EVENTS"

_READ: Final = "POST /v2/view/assess/read"
_GRAPHQL: Final = "POST /graphql"
_WRITE: Final = "PATCH /v1/content/state/update"

_SCORE: Final = """query($user: ID!, $assessment: ID!) {
  score(userId: $user, assessmentId: $assessment) {bestScore attemptsCount}
}"""
_PAGE: Final = """query($user: ID!) {
  attempts(userId: $user, first: 20) {
    edges {node {attemptId totalScore totalMaxScore answers {questionId score title}}}
  }
}"""
_OVERVIEW: Final = "query($batch: ID!) {batch(batchId: $batch) {attemptsCount learnersCount meanScore}}"


class Server(NamedTuple):
    """A process that answers on a port of this machine."""

    port: int
    process: Path
    """Its folder below /proc."""


@contextmanager
def started(code: Sequence[str], settings: Settings, **env: str) -> Iterator[Server]:
    """Python with these words as its own process, which says on its first line of stderr where it listens."""
    environ = {**os.environ, **settings.env(), **env}
    with subprocess.Popen([sys.executable, *code], env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert "http://" in first, first + process.stderr.read()
            yield Server(int(first.rsplit(":", 1)[1].split("/")[0]), Path(f"/proc/{process.pid}"))
        finally:
            process.terminate()


def ours(settings: Settings) -> Any:
    """The API as `assess api` starts it."""
    return started(["-m", "graphql_api", "--port", "0"], settings)


def ours_from_memory(settings: Settings, count: int) -> Any:
    """The same with `count` events in a hot store in memory."""
    code = "from benchmarks.load_servers import serve_from_memory; serve_from_memory()"
    return started(["-c", code], settings, **{_EVENTS_OF_MEMORY: str(count)})


def bare(settings: Settings, lengths: Mapping[str, int]) -> Any:
    """A Starlette app that reads each body, and answers with so many bytes (by name; the path is `/NAME`)."""
    return started(
        ["-m", "benchmarks.bare_server", *(f"/{name}={length}" for name, length in lengths.items())], settings
    )


def to_path(path: str, sent: bytes) -> bytes:
    """The same request to another path."""
    method, _, rest = sent.split(b" ", 2)
    return b"%b %b %b" % (method, path.encode(), rest)


def mean_length(server: Server, requests: Sequence[bytes]) -> int:
    """The mean length of the bodies of the answers, in bytes."""
    return sum(ask(server, one) for one in requests) // len(requests)


def ask(server: Server, sent: bytes) -> int:
    """Send one request; the length of the body of its answer. Raises `AssertionError` if that is not 200."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection, connection.makefile("rb") as file:
        connection.sendall(sent)
        head = b"".join(iter(file.readline, b"\r\n"))
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = file.read(length)
    assert head.startswith(b"HTTP/1.1 200"), head + body
    return length


def serve_from_memory() -> None:
    """Serve the API from a hot store in memory until it is killed."""
    from graphql_api import __main__ as api

    def from_memory(settings: Settings) -> Stores:
        hot, opened = MemoryHot(), open_stores(settings)
        for batch in decoded(events(int(os.environ[_EVENTS_OF_MEMORY]))):
            fold(batch, hot, Checks(NoFacts()))
        return stores_of(hot, opened.log, opened.lake, opened.exhausts)

    with mock.patch.object(api, "open_stores", from_memory):
        api.main(["--port", "0"])


# --- who asks what ---


class Learner(NamedTuple):
    """Somebody who has attempts."""

    id: str
    assessment: str


def guarded(home: Path) -> Settings:
    """Embedded stores below a folder, and an API that asks for tokens."""
    keys = home / "keys.json"
    public = OKPAlgorithm.to_jwk(_KEYS.public_key(), as_dict=True) | {"kid": "load"}
    home.mkdir(parents=True, exist_ok=True)
    keys.write_text(json.dumps({"keys": [public]}), encoding="utf-8")
    return Settings.from_env({"ASSESS_API_KEYS": str(keys)}, str(home))


def learners(stores: Stores) -> list[Learner]:
    """All learners of a hot store, each with one of its assessments."""
    found = stores.hot.all_learners()
    return [Learner(id_, learner.entries[0].key.assessment_id) for id_, learner in found if learner.entries]


def token(subject: str, role: str = "learner") -> str:
    """A token for a day."""
    claims = {"sub": subject, "exp": int(time.time()) + _TOKEN_SECONDS, "roles": [role]}
    return jwt.encode(claims, _KEYS, "EdDSA", {"kid": "load"})


def request(route: str, token_: str, body: object) -> bytes:
    """The bytes of a request."""
    sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return (
        b"%b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (route.encode(), token_.encode(), len(sent), sent)
    )


def reads_of_scores(some: Sequence[Learner]) -> list[bytes]:
    """REST, a score of each learner."""
    return [
        request(_READ, token(one.id), {"request": {"userId": one.id, "assessmentId": one.assessment}}) for one in some
    ]


def queries_of_scores(some: Sequence[Learner]) -> list[bytes]:
    """GraphQL, a score of each learner."""
    return [_query(one, _SCORE, {"user": one.id, "assessment": one.assessment}) for one in some]


def queries_of_pages(some: Sequence[Learner]) -> list[bytes]:
    """GraphQL, a page of 20 attempts with their answers of each learner."""
    return [_query(one, _PAGE, {"user": one.id}) for one in some]


def _query(one: Learner, text: str, variables: dict[str, str]) -> bytes:
    return request(_GRAPHQL, token(one.id), {"query": text, "variables": variables})


def overview(batch_id: str) -> bytes:
    """GraphQL, the overview of a batch, asked by a gateway."""
    return request(_GRAPHQL, token("gateway", "operator"), {"query": _OVERVIEW, "variables": {"batch": batch_id}})


def writes(count: int) -> list[bytes]:
    """REST, an attempt of each learner, submitted by the learner: the busiest ones would meet their limit."""
    values = {value["userId"]: value for value in (msgspec.json.decode(line)["value"] for line in events(count))}
    return [
        request(_WRITE, token(id_), b'{"request":{"assessments":[%b]}}' % msgspec.json.encode(value))
        for id_, value in values.items()
    ]
