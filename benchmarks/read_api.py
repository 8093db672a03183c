"""`python -m benchmarks.read_api [REQUESTS]`: reads of a score per second over HTTP, without keys and with tokens.

Two processes serve SQLite, one of them with keys. Clients keep their connections, and each has a token of its own. The
servers take turns, because the speed of the machine varies. The processor time of the server is a better measure on a
busy machine. A token is verified once, so its algorithm matters only for the last column.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import jwt
import psutil
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from rich.console import Console
from rich.table import Table

from assess_core.settings import Settings
from assess_core.wiring import open_tokens
from benchmarks.write_api import server

ROUNDS: Final = 3
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


def _microseconds(settings: Settings, algorithm: str) -> float:
    """The processor time to verify a token that was not seen before."""
    tokens = open_tokens(settings, print)
    assert tokens is not None
    signed = [_token(algorithm, number) for number in range(300)]
    started = time.process_time()
    for one in signed:
        tokens.caller(one)
    return (time.process_time() - started) / len(signed) * 1e6


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _listener(port: int) -> int:
    """The process of ours that listens on a port."""
    for child in psutil.Process().children():
        if any(one.laddr and one.laddr.port == port for one in child.net_connections() if one.status == "LISTEN"):
            return child.pid
    raise LookupError(port)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    count = int(arguments[0]) if arguments else 5000
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        keys = Path(folder) / "keys.json"
        listed = [kind.to_jwk(key.public_key(), as_dict=True) | {"kid": name} for name, (key, kind) in _KEYS.items()]
        keys.write_text(json.dumps({"keys": listed}), encoding="utf-8")
        open_ = Settings.from_env({}, folder)
        guarded = Settings.from_env({"ASSESS_API_KEYS": str(keys)}, folder)
        columns = ("reads per second", "processor time per read, us", "first verification, us")
        table = Table("API", *columns, box=None, padding=(0, 2))
        command = ("-m", "graphql_api", "--port", "0")
        with server(*command, settings=open_) as without, server(*command, settings=guarded) as with_keys:
            processes = {port: psutil.Process(_listener(port)) for port in (without, with_keys)}
            found: dict[str | None, list[tuple[float, float]]] = {name: [] for name in (None, *_KEYS)}
            for _ in range(ROUNDS):
                for name, rates in found.items():
                    sent = [_request(n, None if name is None else _token(name, n)) for n in range(CLIENTS)]
                    port = without if name is None else with_keys
                    before = _used(processes[port])
                    rate = asyncio.run(_rate(port, sent, count))
                    rates.append((rate, (_used(processes[port]) - before) / count * 1e6))
        for name, rates in found.items():
            verified = "" if name is None else f"{_microseconds(guarded, name):.0f}"
            rate, cost = (median(values) for values in zip(*rates, strict=True))
            table.add_row(name or "without keys", f"{rate:,.0f}", f"{cost:.0f}", verified)
    Console(width=100).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
