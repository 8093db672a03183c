"""Keys of tokens: which ones are accepted from a key set, how they are read again, and what limits the reads."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from assess_core.adapters.tokens import key_ring
from assess_core.adapters.tokens.key_ring import MAX_AGE, PAUSE, KeyRing
from assess_core.adapters.tokens.keys import MOST_KEYS, parse_key_set
from assess_core.adapters.tokens.sources import MOST_BYTES, check_url
from assess_core.domain.access import Caller
from assess_core.errors import BadSettings, StoreUnavailable, Unauthenticated
from assess_core.ports.tokens import Tokens, UnknownKey
from assess_core.settings import ApiSettings, Settings
from assess_core.wiring import open_tokens
from tests.api.issuer import AUDIENCE, ISSUER, KEYS, key_set, public, token, trusting

P384 = {**public("ES256"), "crv": "P-384", "alg": "ES384", "kid": "p384"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not a JSON Web Key Set"),
        (b"[" * 100_000, "is not a JSON Web Key Set"),
        (b'{"keys": {}}', "is not a JSON Web Key Set"),
        (b'{"keys": []}', "has no public key for RS256"),
        (key_set({"kty": "oct", "k": "eA", "kid": "s"}, P384), "has no public key for RS256"),
        (key_set(public("EdDSA", use="enc")), "has no public key for RS256"),
        (key_set(public("EdDSA"), public("RS256", kid="eddsa")), "two keys with the kid 'eddsa'"),
        (key_set({**public("EdDSA"), "x": 7}), "cannot be read"),
        (key_set({**public("ES256"), "x": "AAAA"}), "cannot be read"),
        (key_set(*[public("EdDSA", kid=str(n)) for n in range(MOST_KEYS + 1)]), "more than 100 keys"),
        (key_set(public("RS256", rsa.generate_private_key(public_exponent=65537, key_size=1024))), "less than 2048"),
        (key_set({**RSAAlgorithm.to_jwk(KEYS["RS256"], as_dict=True), "kid": "r"}), "has a private key"),
    ],
    ids=[
        *(
            "empty",
            "deep",
            "an object",
            "no key",
            "other keys",
            "for encryption",
            "same kid",
            "bad member",
            "bad point",
        ),
        *("too many", "too short", "private"),
    ],  # the keys differ in each process, and ids must not
)
def test_an_unusable_key_set_is_refused_with_its_name(text: bytes, message: str) -> None:
    with pytest.raises(BadSettings, match=f"ASSESS_API_KEYS.*{message}"):
        parse_key_set(text, "ASSESS_API_KEYS: x")


def test_other_keys_of_a_provider_are_skipped() -> None:
    keys = parse_key_set(key_set(P384, public("EdDSA"), public("RS256", use="enc"), {"kty": 7}), "x")
    assert {kid: key.algorithm for kid, key in keys.items()} == {"eddsa": "EdDSA"}


@pytest.mark.parametrize(
    "url",
    [
        "http://login.test/keys",
        "ftp://login.test/keys",
        "file:///etc/keys",
        "https://",
        "http://[::1",
        "http://127.0.0.1.test/",
    ],
)
def test_keys_come_through_tls_or_from_this_machine(url: str) -> None:
    with pytest.raises(BadSettings, match="https://"):
        check_url(url)


def test_a_secret_must_be_long_and_alone(tmp_path: Path) -> None:
    for api, message in (
        (ApiSettings(secret="short"), "less than 32 bytes"),
        (ApiSettings(secret="x" * 32, keys=str(tmp_path)), "are both set"),
        (ApiSettings(keys=str(tmp_path / "none.json")), "No such file"),
    ):
        with pytest.raises(BadSettings, match=message):
            open_tokens(Settings.from_env({})._replace(api=api), print)
    assert open_tokens(Settings.from_env({}), print) is None


# --- rotation ---


class Source:
    """Keys that a test changes, and a clock."""

    def __init__(self) -> None:
        self.text, self.away, self.reads, self.now = key_set(public("EdDSA")), False, 0, 1000.0
        self.notices: list[str] = []
        self.ring = KeyRing(self.read, self.notices.append, lambda: self.now)

    def read(self) -> Any:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("ASSESS_API_KEYS: x does not answer; check the URL")
        return parse_key_set(self.text, "x")


def test_an_unknown_key_causes_one_read_in_a_while() -> None:
    source = Source()
    source.ring.load()
    for _ in range(100):
        source.ring.refresh()
    assert source.reads == 1
    source.now += PAUSE
    for _ in range(100):
        source.ring.refresh()
    assert source.reads == 2


def test_a_removed_key_is_forgotten_and_a_new_one_is_found() -> None:
    source = Source()
    source.ring.load()
    before = source.ring.generation
    source.text, source.now = key_set(public("RS256")), source.now + PAUSE
    source.ring.refresh()
    assert (source.ring.find("eddsa"), source.ring.find("rs256") is not None) == (None, True)
    assert source.ring.generation == before + 1


def test_a_key_with_the_same_kid_and_other_bytes_counts_as_another() -> None:
    source = Source()
    source.text = key_set(public("ES256"))
    source.ring.load()
    before = source.ring.generation
    source.text, source.now = key_set(public("ES256", ec.generate_private_key(ec.SECP256R1()))), source.now + PAUSE
    source.ring.refresh()
    assert source.ring.generation == before + 1


def test_while_the_source_is_away_the_old_keys_stay_in_use() -> None:
    source = Source()
    source.ring.load()
    source.away, source.now = True, source.now + PAUSE
    source.ring.refresh()
    assert source.ring.find("eddsa") is not None
    assert source.notices == [
        "ASSESS_API_KEYS: x does not answer; check the URL; the keys that were read before stay in use"
    ]


def test_before_the_first_keys_no_token_is_called_invalid() -> None:
    source = Source()
    source.away = True
    with pytest.raises(StoreUnavailable):
        source.ring.load()
    with pytest.raises(StoreUnavailable, match="cannot be read now"):
        source.ring.find("eddsa")


def test_old_keys_are_read_again_without_a_request_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    source, started = Source(), threading.Event()
    source.ring.load()
    source.ring.find("eddsa")
    assert source.reads == 1
    monkeypatch.setattr(key_ring.KeyRing, "refresh", lambda _ring: started.set())
    source.now += MAX_AGE
    assert source.ring.find("eddsa") is not None
    assert started.wait(10)


def test_a_cached_token_of_a_removed_key_is_refused(tmp_path: Path) -> None:
    tokens, signed = trusting(tmp_path), token("u1")
    assert tokens.caller(signed) == Caller("u1", frozenset({"learner"}))  # type: ignore[arg-type]
    (tmp_path / "keys.json").write_bytes(key_set(public("RS256")))
    list(tokens.examine())
    with pytest.raises(UnknownKey):
        tokens.caller(signed)


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assess_core.adapters.tokens import verifier

    monkeypatch.setattr(verifier, "MOST_REMEMBERED", 3)
    tokens, signed = trusting(tmp_path), [token(f"u{n}") for n in range(10)]
    assert [tokens.caller(one).id for one in signed] == [f"u{n}" for n in range(10)]
    decoded: list[str] = []
    real = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda text, *a, **k: decoded.append(text) or real(text, *a, **k))  # type: ignore[func-returns-value]
    for one in [*signed[-3:], signed[0]]:
        tokens.caller(one)
    assert decoded == [signed[0]]


# --- from a URL ---


class Keys(BaseHTTPRequestHandler):
    """Answers with what the test set on the server."""

    def do_GET(self) -> None:
        status, headers, body = self.server.answer  # type: ignore[attr-defined]
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def login_server(body: bytes, status: int = 200, **headers: str) -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        server.answer, server.asked = (status, headers, body), 0  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def from_url(server: Any, notices: list[str]) -> Tokens:
    api = ApiSettings(keys=f"http://127.0.0.1:{server.server_port}/keys", issuer=ISSUER, audience=AUDIENCE)
    found = open_tokens(Settings.from_env({})._replace(api=api), notices.append)
    assert found is not None
    return found


def test_keys_of_a_server_verify_tokens_and_are_read_once() -> None:
    with login_server(key_set()) as server:
        tokens = from_url(server, [])
        assert [tokens.caller(token(f"u{n}", "ES256")).id for n in range(3)] == ["u0", "u1", "u2"]
        with pytest.raises(UnknownKey):
            tokens.caller(token(headers={"kid": "new"}))
        tokens.refresh()
        assert server.asked == 1


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (b"{}", 500, {}),
        (b"", 302, {"Location": "https://evil.test/keys"}),
        (b" " * (MOST_BYTES + 1) + key_set(), 200, {}),
        (b"", 200, {"Content-Length": "10"}),
    ],
    ids=["error", "redirect", "too long", "cut"],
)
def test_a_server_that_gives_no_keys_is_named_and_requests_can_be_sent_later(
    body: bytes, status: int, headers: dict[str, str]
) -> None:
    notices: list[str] = []
    with login_server(body, status, **headers) as server:
        tokens = from_url(server, notices)
        with pytest.raises(StoreUnavailable):
            tokens.caller(token())
        assert server.asked == 1
    assert notices[0].startswith("ASSESS_API_KEYS: http://127.0.0.1:")


def test_a_server_that_answers_with_something_else_is_refused_at_the_start() -> None:
    with (
        login_server(json.dumps({"error": "no"}).encode()) as server,
        pytest.raises(BadSettings, match="not a JSON Web"),
    ):
        from_url(server, [])


def test_a_refusal_never_contains_a_part_of_the_token(tmp_path: Path) -> None:
    tokens = trusting(tmp_path)
    for bad in (token(exp=1), token(iss="https://evil.test"), token(headers={"kid": "secret-kid"}), token()[:-3]):
        with pytest.raises(Unauthenticated) as refused:
            tokens.caller(bad)
        assert not [part for part in (*bad.split("."), "evil", "secret-kid") if part in str(refused.value)]
