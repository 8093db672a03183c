"""Reads of a score per second over HTTP, without keys and with tokens.

Two processes serve SQLite, one of them with keys. Clients keep their connections, and send the tokens of many learners.
The servers take turns, because the speed of the machine varies. The processor time of the server is a better measure on
a busy machine. A token is verified once, so its algorithm matters only for the last column.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from assess_core.settings import Settings
from assess_core.wiring import open_tokens
from benchmarks.dagster_service import used_by
from benchmarks.load_generator import Load, send
from benchmarks.load_servers import Server, ours
from benchmarks.measure import Latencies, Run
from benchmarks.row import Row, Side, Size, in_turn

_SECONDS: Final = 3.0
_LEAST_SECONDS: Final = 0.1
_OF: Final = 10_000
"""Processor time is that of this many reads."""
CLIENTS: Final = 8
_LEARNERS: Final = 500
"""Each has its own token, so that none reaches its limit of 600 requests a minute."""
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


def _first_verification(settings: Settings, algorithm: str) -> float:
    """The processor time (us) to verify a token that was not seen before."""
    tokens = open_tokens(settings, print)
    assert tokens is not None
    signed = [_token(algorithm, number) for number in range(300)]
    started = time.process_time()
    for one in signed:
        tokens.caller(one)
    return (time.process_time() - started) / len(signed) * 1e6


def _run(server: Server, algorithm: str | None, seconds: float) -> Run:
    """The cost of `_OF` reads."""
    sent = [_request(n, None if algorithm is None else _token(algorithm, n)) for n in range(_LEARNERS)]
    before = used_by(server.process).seconds
    [answers] = send(Load(server.port, sent, CLIENTS, seconds))
    assert not answers.errors, answers
    used, share = used_by(server.process), _OF / answers.answered
    latencies = Latencies(answers.p50, answers.p99)
    return Run(answers.seconds * share, (used.seconds - before) * share, used.peak, latencies)


def read_api_rows(size: Size) -> list[Row]:
    """Reads with tokens of each algorithm, beside reads without keys."""
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        keys = Path(folder) / "keys.json"
        listed = [kind.to_jwk(key.public_key(), as_dict=True) | {"kid": name} for name, (key, kind) in _KEYS.items()]
        keys.write_text(json.dumps({"keys": listed}), encoding="utf-8")
        open_ = Settings.from_env({}, folder)
        guarded = Settings.from_env({"ASSESS_API_KEYS": str(keys)}, folder)
        seconds = max(_LEAST_SECONDS, _SECONDS * size.share)
        with ours(open_) as without, ours(guarded) as with_keys:
            sides: dict[str, Callable[[], Run]] = {"": partial(_run, without, None, seconds)}
            sides |= {name: partial(_run, with_keys, name, seconds) for name in _KEYS}
            for run in sides.values():
                run()  # verifies each token for the first time
            runs = in_turn(size, sides)
        first = {name: _first_verification(guarded, name) for name in _KEYS}
    limit = Side("without keys", _OF, runs[""])
    return [
        Row(
            f"read-api-{name}",
            "reads/s",
            Side(f"scores with {name} tokens", _OF, runs[name]),
            None,
            limit,
            f"processor time and memory of the server; the first read with a token takes {first[name]:.0f} us more",
        )
        for name in _KEYS
    ]
