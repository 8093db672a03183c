"""An issuer of tokens with its own keys, and an API that trusts them."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from assess_core.ports.facts import Facts
from assess_core.ports.stores import Stores
from assess_core.ports.tokens import Tokens
from assess_core.settings import ApiSettings, Settings
from assess_core.usecases.examining import Examiner
from assess_core.usecases.granting import Granting
from assess_core.usecases.operating import Operating
from assess_core.wiring import open_ledger, open_tokens
from assess_core.wiring.places import clock
from graphql_api.app import create_app
from graphql_api.dataset import ReportRequests
from graphql_api.throttle import ApiLimits
from tests.api.client import Http, client
from tests.loop import queries

ISSUER: Final = "https://login.test/realms/sunbird"
AUDIENCE: Final = "assess"
KEYS: Final[dict[str, Any]] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
"""Algorithm -> a key; its `kid` is the algorithm in lower case."""


def public(algorithm: str, key: Any = None, **members: object) -> dict[str, Any]:
    """A public key as a key set contains it."""
    to_jwk: Any = {"RS256": RSAAlgorithm.to_jwk, "ES256": ECAlgorithm.to_jwk, "EdDSA": OKPAlgorithm.to_jwk}[algorithm]
    jwk: dict[str, Any] = to_jwk((key or KEYS[algorithm]).public_key(), as_dict=True)
    return {**jwk, "kid": algorithm.lower(), "use": "sig", "alg": algorithm, **members}


def key_set(*keys: Mapping[str, Any]) -> bytes:
    """The text of a key set, by default with all three keys."""
    return json.dumps({"keys": list(keys) or [public(algorithm) for algorithm in KEYS]}).encode()


def claims(learner: str = "u1", **more: object) -> dict[str, Any]:
    """The claims of a valid token; `...` leaves one out."""
    usual = {"sub": learner, "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600}
    return {name: value for name, value in {**usual, **more}.items() if value is not ...}


def token(learner: str = "u1", algorithm: str = "EdDSA", headers: Any = None, **more: object) -> str:
    """A token that the issuer signed."""
    named = {"kid": algorithm.lower(), **(headers or {})}
    return jwt.encode(claims(learner, **more), KEYS[algorithm], algorithm, {k: v for k, v in named.items() if v})


def forged(header: Mapping[str, object], payload: object, signature: bytes = b"") -> str:
    """A token with any header, payload and signature."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def bearer(text: str) -> dict[str, str]:
    """The header of a token."""
    return {"authorization": f"Bearer {text}"}


def trusting(folder: Path, keys: bytes | None = None, **settings: Any) -> Tokens:
    """The tokens of this issuer, verified with a file of keys."""
    file = folder / "keys.json"
    file.write_bytes(keys or key_set())
    api = ApiSettings(keys=str(file), issuer=ISSUER, audience=AUDIENCE)._replace(**settings)
    found = open_tokens(Settings.from_env({})._replace(api=api), lambda _text: None)
    assert found is not None
    return found


@contextmanager
def guarded(
    stores: Stores,
    tokens: Tokens,
    requests: ReportRequests | None = None,
    limits: ApiLimits | None = None,
    facts: Facts | None = None,
    granting: Granting | None = None,
) -> Iterator[Http]:
    """A client of an API that needs tokens."""
    intake = stores.log.intake()
    try:
        app = create_app(
            queries(stores),
            intake,
            facts,
            tokens=tokens,
            hosts=None,
            requests=requests,
            limits=limits or ApiLimits(),
            operating=Operating(stores, open_ledger, clock),
            granting=granting,
            examiner=Examiner(lambda: iter(()), clock, time.monotonic),
        )
        with client(app) as http:
            yield http
    finally:
        intake.close()


def certificate(folder: Path, days: int = 30) -> tuple[str, str]:
    """The files of a certificate for localhost and of its key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, KEYS["RS256"].public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(KEYS["RS256"], hashes.SHA256())
    )
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key.write_bytes(KEYS["RS256"].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return str(cert), str(key)
