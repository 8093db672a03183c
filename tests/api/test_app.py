"""The app apart from its queries: GraphiQL from installed files, health, internal errors, the server as a process."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from assess_core.domain.scores import Entry
from assess_core.ports.stores import Stores
from graphql_api import graphiql
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.factories import event
from tests.forked import Forked
from tests.loop import queries, take


def test_graphiql_is_served_from_installed_files(http: Http) -> None:
    page = http.get("/graphiql")

    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert [path for path in loaded if path.startswith("/graphiql/")] == loaded[1:]
    assert loaded[0] == "data:,"
    for path in loaded[1:]:
        file = http.get(path)
        assert file.status_code == 200
        assert file.headers["content-type"].startswith(("text/javascript", "text/css"))
        assert len(file.content) > 100


def test_graphiql_may_load_nothing_from_other_sites(http: Http) -> None:
    policy = http.get("/graphiql").headers["content-security-policy"]

    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "//" not in policy
    assert "*" not in policy


def test_the_style_sheet_of_graphiql_loads_nothing_from_other_sites(http: Http) -> None:
    answer = http.get("/graphiql/graphiql.min.css")
    assert answer.status_code == 200
    style = answer.text
    assert ".graphiql-container" in style

    assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?!data:)[^)'\"]+", style)


def test_no_other_file_is_served(http: Http) -> None:
    for name in ("graphiql-plugin-explorer.umd.js", "..%2fapp.py", "%2e%2e/app.py", "x.js", ""):
        assert http.get(f"/graphiql/{name}").status_code in (307, 404)


def test_if_the_files_of_graphiql_are_missing_the_error_says_what_to_install(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphiql, "find_spec", lambda _name: None)

    answer = http.get("/graphiql/graphiql.min.js")

    assert answer.status_code == 404
    assert "dagster-webserver" in answer.text


def test_a_browser_without_a_query_is_redirected_to_graphiql(http: Http) -> None:
    answer = http.get("/graphql", headers={"accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/graphiql")


def test_health_and_readiness_of_a_working_installation_are_ok(http: Http) -> None:
    for path in ("/health", "/ready"):
        assert (http.get(path).status_code, http.get(path).json()) == (200, {"status": "ok"})


def test_the_error_for_an_unknown_path_names_the_known_paths_in_the_envelope(http: Http) -> None:
    answer = http.get("/v1/nothing", headers={"x-msgid": "m1"})

    assert answer.status_code == 404
    body = answer.json()
    assert (body["id"], body["ver"], body["responseCode"]) == ("api.nothing", "v1", "CLIENT_ERROR")
    assert (body["params"]["msgid"], body["params"]["err"]) == ("m1", "CLIENT_ERROR")
    assert "/v2/view/assess/read" in body["params"]["errmsg"]


@pytest.mark.parametrize("path", ["/health", "/ready", "/graphiql"])
def test_a_method_that_is_not_allowed_is_named_in_the_envelope(http: Http, path: str) -> None:
    answer = http.request("DELETE", path)

    assert answer.status_code == 405
    assert answer.json()["params"]["errmsg"].startswith("DELETE is not allowed; use ")
    assert answer.headers["allow"]


class Broken:
    """A hot store with a defect."""

    def entries(self, user_ids: object) -> None:
        raise ZeroDivisionError("a secret of the inside")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/view/assess/read", {"request": {"userId": "u1", "assessmentId": "a1"}}),
        ("/graphql", {"query": '{ score(userId: "u1", assessmentId: "a1") { bestScore } }'}),
    ],
)
def test_an_internal_error_shows_the_client_no_details(
    stores: Stores, path: str, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    broken: Any = Broken()
    with client(create_app(queries(stores._replace(hot=broken)), stores.log.intake())) as http:
        answer = http.post(path, json=body)

    assert "secret" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert "internal error" in answer.text


class Slow:
    """A hot store that answers for the learner `slow` only after `go_on` is set."""

    def __init__(self, stores: Stores) -> None:
        self.called, self.go_on = threading.Event(), threading.Event()
        self._stores = stores

    def entries(self, user_ids: list[str]) -> dict[str, list[Entry]]:
        if user_ids == ["slow"]:
            self.called.set()
            assert self.go_on.wait(10)
        return self._stores.hot.entries(user_ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stores.hot, name)


def test_a_slow_answer_blocks_no_other_answer(stores: Stores) -> None:
    slow = Slow(stores)
    hot: Any = slow
    take(stores, event())
    found = []
    with client(create_app(queries(stores._replace(hot=hot)), stores.log.intake())) as http:

        def read(user: str) -> str:
            body = {"request": {"userId": user, "assessmentId": "a1"}}
            code: str = http.post("/v2/view/assess/read", json=body).json()["responseCode"]
            return code

        waiting = threading.Thread(target=lambda: found.append(read("slow")))
        waiting.start()
        assert slow.called.wait(10)
        assert read("u1") == "OK"
        assert found == []
        slow.go_on.set()
        waiting.join(10)
    assert found == ["OK"]


# --- as a process ---


def _start(home: Path, *options: str) -> "subprocess.Popen[str]":
    return Forked(
        ["-m", "graphql_api", *options],
        env={**os.environ, "ASSESS_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_server_prints_its_url_and_stops_on_sigterm(tmp_path: Path) -> None:
    server = _start(tmp_path, "--port", "0")
    try:
        assert server.stderr
        printed = server.stderr.readline()
        found = re.fullmatch(r"API on (http://127\.0\.0\.1:\d+)/graphiql\n", printed)
        assert found, printed
        assert _get(f"{found[1]}/health").json() == {"status": "ok"}
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
        assert server.stderr.read() == ""
    finally:
        server.kill()
        server.communicate()


def _get(url: str) -> httpx.Response:
    for _ in range(50):
        try:
            return httpx.get(url, trust_env=False)
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def test_a_port_that_is_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        server = _start(tmp_path, "--port", str(port))
        _, printed = server.communicate(timeout=30)

    assert server.returncode == 2
    assert printed.startswith(f"assess: --host 127.0.0.1 --port {port}: ")
    assert len(printed.splitlines()) == 1
