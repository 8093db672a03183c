"""What the API's process refuses to start with, and what it warns about: addresses, keys, certificates."""

import os
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from tests.api.client import api
from tests.api.issuer import AUDIENCE, ISSUER, KEYS, bearer, certificate, key_set, token
from tests.forked import run_forked

BODY = {"request": {"userId": "u1", "assessmentId": "a1"}}


@pytest.fixture
def keys(tmp_path: Path) -> Any:
    """The settings of an API with keys."""
    file = tmp_path / "keys.json"
    file.write_bytes(key_set())
    return {"ASSESS_API_KEYS": str(file), "ASSESS_API_ISSUER": ISSUER, "ASSESS_API_AUDIENCE": AUDIENCE}


def refused(home: Path, *options: str, program: tuple[str, ...] = ("graphql_api",), **env: str) -> str:
    """The one line with which the process refuses to start."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
    command = ["-m", *program, "--port", "0", *options]
    done = run_forked(command, env={**clean, "ASSESS_HOME": str(home), **env}, text=True)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    return str(done.stderr)


@pytest.mark.parametrize("program", [("graphql_api",), ("assess_cli", "api")])
def test_without_keys_the_api_refuses_other_addresses(tmp_path: Path, program: tuple[str, ...]) -> None:
    printed = refused(tmp_path, "--host", "0.0.0.0", program=program)
    assert printed == (
        "assess: --host 0.0.0.0: without keys every client can do everything; set ASSESS_API_KEYS, or listen on "
        "127.0.0.1, or type --insecure behind a gateway\n"
    )


def test_a_secret_for_development_does_not_open_other_addresses(tmp_path: Path) -> None:
    assert "is for development" in refused(tmp_path, "--host", "0.0.0.0", ASSESS_API_SECRET="x" * 32)


def test_insecure_listens_and_warns(tmp_path: Path) -> None:
    with api(tmp_path, "--host", "0.0.0.0", "--insecure", ASSESS_API_HOSTS="api.test") as (process, http):
        assert process.stderr is not None
        assert "no keys are set: any client of 0.0.0.0 can read and write everything" in process.stderr.readline()
        assert "not encrypted" in process.stderr.readline()
        assert http.post("/v2/view/assess/read", json=BODY).status_code == 200
        assert http.post("/v2/view/assess/read", json=BODY, headers={"host": "api.test"}).status_code == 200
        assert http.post("/v2/view/assess/read", json=BODY, headers={"host": "evil.test"}).status_code == 421


def test_with_keys_the_api_listens_everywhere_and_only_tokens_get_answers(tmp_path: Path, keys: Any) -> None:
    with api(tmp_path, "--host", "0.0.0.0", **keys) as (process, http):
        assert process.stderr is not None
        assert "not encrypted" in process.stderr.readline()
        assert http.post("/v2/view/assess/read", json=BODY).status_code == 401
        sent = {"host": "any.test", **bearer(token("u1"))}
        assert http.post("/v2/view/assess/read", json=BODY, headers=sent).status_code == 200


def test_with_a_certificate_the_api_speaks_https(tmp_path: Path, keys: Any) -> None:
    cert, key = certificate(tmp_path)
    with api(tmp_path, ASSESS_API_TLS_CERT=cert, ASSESS_API_TLS_KEY=key, **keys) as (_, http):
        url = str(http.base_url).replace("http://127.0.0.1", "https://localhost")
        trusted = ssl.create_default_context(cafile=cert)
        with httpx.Client(base_url=url, verify=trusted, trust_env=False, timeout=60) as tls:
            assert tls.get("/health").status_code == 200
            assert tls.post("/v2/view/assess/read", json=BODY, headers=bearer(token("u1"))).status_code == 200
        with pytest.raises(httpx.HTTPError):
            http.get("/health")


@pytest.mark.long
def test_a_wrong_certificate_is_named(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    assert "belong together" in refused(tmp_path, ASSESS_API_TLS_CERT=cert)
    assert "No such file" in refused(tmp_path, ASSESS_API_TLS_CERT=cert, ASSESS_API_TLS_KEY=f"{key}x")
    Path(key).write_bytes(
        KEYS["ES256"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    assert "ASSESS_API_TLS_CERT" in refused(tmp_path, ASSESS_API_TLS_CERT=cert, ASSESS_API_TLS_KEY=key)
