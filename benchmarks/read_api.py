"""Reads of a score per second over HTTP, without keys and with tokens.

Two processes serve SQLite, one of them with keys. Clients keep their connections, and each has a token of its own. The
servers take turns, because the speed of the machine varies. The processor time of the server is a better measure on a
busy machine. A token is verified once, so its algorithm matters only for the last column.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import jwt
import psutil
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from assess_core.settings import Settings
from assess_core.wiring import open_tokens
from benchmarks.dagster_service import used_by
from benchmarks.measure import Run
from benchmarks.row import Row, Side, Size, in_turn
from benchmarks.write_api import server

_READS: Final = 5_000
CLIENTS: Final = 8
_KEYS: Final[dict[str, tuple[Any, Any]]] = {
    "RS256": (rsa.generate_private_key(public_exponent=65537, key_size=2048), RSAAlgorithm),
    "ES256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
}


def _token(algorithm: str, number: int) -> str:
    claims = {"sub": f"u{number}", "exp": int(time.time()) + 3600, "roles": ["learner"]}
    return jwt.encode(claims, _KEYS[algorithm][0], algorithm, {"kid": algorithm})


def _request(number: int, token: str | None) -> bytes:
    body = b'{"request":{"userId":"u%d","assessmentId":"a1"}}' % number
    sent = b"" if token is None else b"authorization: Bearer %b\r\n" % token.encode()
    return (
        b"POST /v2/view/assess/read HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n%b"
        b"content-length: %d\r\n\r\n%b" % (sent, len(body), body)
    )


async def _rate(port: int, requests: Sequence[bytes], count: int) -> float:
    """Answers per second."""
    left = iter(range(count))

    async def client(request: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*map(client, requests))
    return count / (time.perf_counter() - started)


def _first_verification(settings: Settings, algorithm: str) -> float:
    """The processor time (us) to verify a token that was not seen before."""
    tokens = open_tokens(settings, print)
    assert tokens is not None
    signed = [_token(algorithm, number) for number in range(300)]
    started = time.process_time()
    for one in signed:
        tokens.caller(one)
    return (time.process_time() - started) / len(signed) * 1e6


def _listener(port: int) -> Path:
    """The folder below /proc of the process of ours that listens on a port."""
    for child in psutil.Process().children():
        if any(one.laddr and one.laddr.port == port for one in child.net_connections() if one.status == "LISTEN"):
            return Path(f"/proc/{child.pid}")
    raise LookupError(port)


def _run(port: int, process: Path, algorithm: str | None, count: int) -> Run:
    sent = [_request(n, None if algorithm is None else _token(algorithm, n)) for n in range(CLIENTS)]
    before = used_by(process).seconds
    rate = asyncio.run(_rate(port, sent, count))
    used = used_by(process)
    return Run(count / rate, used.seconds - before, used.peak)


def read_api_rows(size: Size) -> list[Row]:
    """Reads with tokens of each algorithm, beside reads without keys."""
    count = size.of(_READS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        keys = Path(folder) / "keys.json"
        listed = [kind.to_jwk(key.public_key(), as_dict=True) | {"kid": name} for name, (key, kind) in _KEYS.items()]
        keys.write_text(json.dumps({"keys": listed}), encoding="utf-8")
        open_ = Settings.from_env({}, folder)
        guarded = Settings.from_env({"ASSESS_API_KEYS": str(keys)}, folder)
        command = ("-m", "graphql_api", "--port", "0")
        with server(*command, settings=open_) as without, server(*command, settings=guarded) as with_keys:
            sides: dict[str, Callable[[], Run]] = {"": partial(_run, without, _listener(without), None, count)}
            sides |= {name: partial(_run, with_keys, _listener(with_keys), name, count) for name in _KEYS}
            runs = in_turn(size, sides)
        first = {name: _first_verification(guarded, name) for name in _KEYS}
    limit = Side("without keys", count, runs[""])
    return [
        Row(
            f"read-api-{name}",
            "reads/s",
            Side(f"scores with {name} tokens", count, runs[name]),
            None,
            limit,
            f"processor time and memory of the server; the first read with a token takes {first[name]:.0f} us more",
        )
        for name in _KEYS
    ]
