"""Attacks on tokens, by name. Every one of them gets 401 and no answer."""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from assess_core.ports.stores import Stores
from tests.api.client import Http
from tests.api.issuer import AUDIENCE, ISSUER, KEYS, bearer, claims, forged, guarded, key_set, public, token, trusting

NOW = int(time.time())
PEM = (
    KEYS["RS256"].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
BODY = {"request": {"userId": "u1", "assessmentId": "a1"}}


def with_secret(secret: bytes, kid: str) -> str:
    """A token with an HMAC; PyJWT refuses to make one with a public key."""
    unsigned = forged({"alg": "HS256", "kid": kid, "typ": "JWT"}, claims()).rstrip(".")
    return f"{unsigned}.{jwt.utils.base64url_encode(hmac.digest(secret, unsigned.encode(), hashlib.sha256)).decode()}"


def changed(text: str) -> str:
    """A signed token with another payload."""
    head, _, signature = text.split(".")
    return f"{head}.{forged({}, claims('victim')).split('.')[1]}.{signature}"


ATTACKS: dict[str, str] = {
    "algorithm none": forged({"alg": "none", "typ": "JWT"}, claims()),
    "algorithm none with a kid": forged({"alg": "none", "kid": "rs256"}, claims()),
    "algorithm NoNe": forged({"alg": "NoNe", "kid": "rs256"}, claims(), b"x"),
    "no algorithm": forged({"kid": "rs256"}, claims()),
    "an algorithm that is a list": forged({"alg": ["RS256"], "kid": "rs256"}, claims()),
    "key confusion: the public key in PEM as a secret": with_secret(PEM, "rs256"),
    "key confusion: the key set as a secret": with_secret(json.dumps(public("RS256")).encode(), "rs256"),
    "an empty secret": with_secret(b"", "rs256"),
    "the wrong type of key": jwt.encode(claims(), KEYS["ES256"], "ES256", {"kid": "rs256"}),
    "another algorithm of the same key": jwt.encode(claims(), KEYS["RS256"], "PS256", {"kid": "rs256"}),
    "a longer hash of the same key": jwt.encode(claims(), KEYS["RS256"], "RS512", {"kid": "rs256"}),
    "another curve": jwt.encode(claims(), ec.generate_private_key(ec.SECP384R1()), "ES384", {"kid": "es256"}),
    "a stranger's key": jwt.encode(claims(), STRANGER, "RS256", {"kid": "rs256"}),
    "a stranger's key in the header": jwt.encode(
        claims(), STRANGER, "RS256", {"kid": "rs256", "jwk": public("RS256", STRANGER)}
    ),
    "a URL of keys in the header": jwt.encode(
        claims(), STRANGER, "RS256", {"kid": "rs256", "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1"}
    ),
    "expired": token(exp=NOW - 3600),
    "expired just beyond the clock skew": token(exp=NOW - 60),
    "no expiry": token(exp=...),
    "an expiry that is text": token(exp="tomorrow"),
    "an expiry that is a list": token(exp=[NOW + 600]),
    "not valid yet": token(nbf=NOW + 3600),
    "issued in the future": token(iat=NOW + 3600),
    "another audience": token(aud="account"),
    "no audience": token(aud=...),
    "audiences without ours": token(aud=["account", "assess2"]),
    "another issuer": token(iss="https://evil.test"),
    "no issuer": token(iss=...),
    "an issuer that begins like ours": token(iss=f"{ISSUER}.evil.test"),
    "huge": token(padding="x" * 10_000),
    "huge without a signature": "x" * 60_000,
    "a huge header": token(headers={"padding": "x" * 9000}),
    "a deeply nested header": forged({"alg": "EdDSA", "kid": "eddsa"}, {}).replace(
        forged({"alg": "EdDSA", "kid": "eddsa"}, {}).split(".")[0],
        jwt.utils.base64url_encode(b'{"alg":' + b"[" * 5000).decode(),
    ),
    "a kid that is a path": token(headers={"kid": "../../../../dev/null"}),
    "a kid that is SQL": token(headers={"kid": "rs256' UNION SELECT 'secret"}),
    "a kid that is a URL": token(headers={"kid": "http://127.0.0.1:1/keys"}),
    "a kid in other letters": token(headers={"kid": "EDDSA"}),
    "no kid": token(headers={"kid": ""}),
    "a kid that is no text": forged({"alg": "EdDSA", "kid": {"a": 1}}, claims(), b"x"),
    "a kid that is huge": token(headers={"kid": "k" * 5000}),
    "a critical extension": token(headers={"crit": ["b64"], "b64": False}),
    "an unknown critical extension": token(headers={"crit": ["x"], "x": 1}),
    "a changed payload": changed(token()),
    "no signature": token().rpartition(".")[0] + ".",
    "a shortened signature": token()[:-8],
    "two parts": "a.b",
    "five parts (encrypted)": "a.b.c.d.e",
    "garbage": "garbage",
    "dots": "...",
    "not ASCII": "ü.ü.ü",
    "a payload that is a list": jwt.api_jws.encode(b"[]", KEYS["EdDSA"], "EdDSA", {"kid": "eddsa"}),
    "a payload that is not JSON": jwt.api_jws.encode(b"\xff", KEYS["EdDSA"], "EdDSA", {"kid": "eddsa"}),
    "no learner": token(sub=...),
    "an empty learner": token(sub=""),
    "a blank learner": token(sub="  "),
    "a learner that is a list": token(sub=["u1"]),
    "a managed learner's token": token(parentId="p1"),
    "a managed learner's token with an empty parent": token(parentId=""),
}


@pytest.fixture
def http(stores: Stores, tmp_path: Path) -> Any:
    with guarded(stores, trusting(tmp_path)) as found:
        yield found


def status(http: Http, *headers: tuple[str, str] | tuple[bytes, bytes]) -> int:
    answer = http.post("/v2/view/assess/read", json=BODY, headers=list(headers))
    if answer.status_code != 200:
        assert answer.json()["params"]["err"] == "CLIENT_ERROR"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return answer.status_code


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_is_refused(http: Http, name: str) -> None:
    for header in ("authorization", "x-authenticated-user-token"):
        value = f"Bearer {ATTACKS[name]}" if header == "authorization" else ATTACKS[name]
        assert status(http, (header.encode(), value.encode("utf-8"))) == 401
    assert status(http, *bearer(token()).items()) == 200


def test_an_attack_as_the_token_of_a_managed_learner_is_refused(http: Http) -> None:
    for name, attack in ATTACKS.items():
        sent = [("authorization", f"Bearer {token('p1')}"), ("x-authenticated-for", attack)]
        if name == "not ASCII" or not name.startswith("a managed learner's token"):
            encoded = [(key.encode(), value.encode()) for key, value in sent]
            assert status(http, *encoded) == 401, name


def test_a_header_that_appears_twice_is_refused(http: Http) -> None:
    good, other = f"Bearer {token()}", f"Bearer {token('u2')}"
    assert status(http, ("authorization", good)) == 200
    for first, second in ((good, other), (other, good), (good, good)):
        assert status(http, ("authorization", first), ("authorization", second)) == 401
    twice = [("x-authenticated-user-token", token()), ("x-authenticated-user-token", token("u2"))]
    assert status(http, *twice) == 401


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic dTE6cGFzcw==", "Token {}", "{}", "Bearer  x {}"])
def test_only_the_bearer_scheme_is_accepted(http: Http, value: str) -> None:
    assert status(http, ("authorization", value.format(token()))) == 401


@pytest.mark.parametrize("roles", [["learner"], ["mentor"]])
def test_half_of_a_surrogate_pair_is_no_learner(http: Http, roles: list[str]) -> None:
    """No store and no table of grants can look for it."""
    assert status(http, *bearer(token("\ud800", roles=roles)).items()) == 401


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_valid_token_of_each_algorithm_is_accepted(http: Http, algorithm: str) -> None:
    assert status(http, *bearer(token(algorithm=algorithm)).items()) == 200
    assert status(http, *bearer(token(algorithm=algorithm, aud=["x", AUDIENCE], nbf=NOW + 5)).items()) == 200


def test_a_token_in_the_query_or_in_a_cookie_counts_as_none(http: Http) -> None:
    answer = http.post(f"/v2/view/assess/read?access_token={token()}", json=BODY, headers={"cookie": f"t={token()}"})
    assert answer.status_code == 401


def test_a_key_set_never_makes_a_secret_acceptable(stores: Stores, tmp_path: Path) -> None:
    symmetric = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "s", "alg": "HS256"}
    with guarded(stores, trusting(tmp_path, key_set(symmetric, public("EdDSA")))) as http:
        secret = b"secret-secret-secret-secret-secret"
        assert status(http, *bearer(with_secret(secret, "s")).items()) == 401
        assert status(http, *bearer(token()).items()) == 200
