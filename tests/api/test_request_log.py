"""Ids of requests, and the JSON line about each request: it has no token, answer, path or query."""

import hashlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assess_core import messages
from assess_core.ports.stores import Stores
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.api.issuer import bearer, token, trusting
from tests.factories import event
from tests.loop import queries, take


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process writes with `ASSESS_MESSAGES=json`."""
    root, ours = list(logging.root.handlers), logging.getLogger("assess").level
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    messages.use("json")
    yield written
    logging.root.handlers[:] = root
    logging.getLogger("assess").setLevel(ours)


def parsed(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize("given", ["a", "0af7651916cd43dd8448eb211c80319c", "A.b_c:d-1", "x" * 64])
def test_a_plain_id_of_the_client_is_returned(http: Http, given: str) -> None:
    assert http.get("/health", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "a\tb", "ü"])
def test_any_other_id_is_replaced(http: Http, given: str) -> None:
    answered = http.get("/health", headers={"x-request-id": given.encode()}).headers["x-request-id"]
    assert answered != given
    assert len(answered) == 32
    assert http.get("/health").headers["x-request-id"] != http.get("/health").headers["x-request-id"]


def test_refusals_and_unknown_paths_have_an_id_too(http: Http) -> None:
    for answer in (http.get("/nothing"), http.request("DELETE", "/graphql"), http.get("/", headers={"host": "x.org"})):
        assert answer.headers["x-request-id"]


def test_a_line_has_route_status_and_the_callers_hash_and_nothing_secret(
    lines: io.StringIO, stores: Stores, tmp_path: Path
) -> None:
    take(stores, event(user="learner-7"))
    secret = token("learner-7", roles=["learner"])
    app = create_app(queries(stores), stores.log.intake(), tokens=trusting(tmp_path), hosts=None)
    with client(app) as http:
        asked = {"request": {"userId": "learner-7", "assessmentId": "a1"}}
        sent = {**bearer(secret), "x-request-id": "r1"}
        assert http.post("/v2/view/assess/read", json=asked, headers=sent).status_code == 200
        http.get(f"/graphql?query={{secret}}&access_token={secret}")
        http.get(f"/learner-7/{secret}", headers=sent)
    found = [line for line in parsed(lines) if line["logger"] == "assess.requests"]
    assert [(line["method"], line["route"], line["status"]) for line in found] == [
        ("POST", "/v2/view/assess/read", 200), ("GET", "/graphql", 401), ("GET", "unknown", 404),
    ]  # fmt: skip
    assert found[0]["caller"] == hashlib.sha256(b"learner-7").hexdigest()[:16]
    assert found[0]["request_id"] == "r1"
    assert found[0]["at"].endswith("+00:00")
    assert "caller" not in found[1]
    text = lines.getvalue()
    assert "learner-7" not in text
    assert secret not in text
    assert secret[-40:] not in text


def test_messages_of_a_request_carry_its_id_and_a_stack_trace_stays_on_its_line(
    lines: io.StringIO, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_users: object) -> None:
        raise ZeroDivisionError("line one\nline two")

    monkeypatch.setattr(stores.hot, "entries", broken)
    with client(create_app(queries(stores), stores.log.intake())) as http:
        asked = {"query": '{ score(userId: "u1", assessmentId: "a1") { bestScore } }'}
        http.post("/graphql", json=asked, headers={"x-request-id": "r2"})
    found = [line for line in parsed(lines) if "stack" in line]
    assert found
    assert {line["request_id"] for line in found} == {"r2"}
    assert "ZeroDivisionError: line one\nline two" in found[0]["stack"]


def test_long_text_is_cut_and_text_of_clients_is_escaped(lines: io.StringIO) -> None:
    logging.getLogger("assess").warning("%s", 'x"\n\x1b[31m' + "y" * 100_000)
    messages.write_message("folded")
    assert len(lines.getvalue()) < 9_000
    assert "\x1b" not in lines.getvalue()
    assert [(line["level"], line["message"][:2]) for line in parsed(lines)] == [("warning", 'x"'), ("info", "fo")]


def test_without_the_setting_messages_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    messages.use("text")
    messages.write_message("folded 3 events")
    assert capsys.readouterr().err == "folded 3 events\n"
