"""The page of findings: what `assess doctor` prints, without a wait for a store that does not answer."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from assess_core.ports.findings import Finding, Level
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.examining import Examiner
from assess_core.wiring.examining import examine
from graphql_api.app import create_app
from graphql_api.console import findings
from tests.api.client import Http, client
from tests.api.consoles import read
from tests.factories import MONDAY
from tests.loop import queries, take

BAD = Finding(Level.BAD, "lake", "the file <x> is damaged", "restore it")
WARN = Finding(Level.WARN, "failed events", "3 are not resolved", "assess failed list")
FINE = Finding(Level.OK, "names", "not set")


def serving(stores: Stores, checks: Callable[[], Iterator[Finding]]) -> AbstractContextManager[Http]:
    examiner = Examiner(checks, lambda: MONDAY, time.monotonic)
    return client(create_app(queries(stores), stores.log.intake(), examiner=examiner))


def test_findings_are_listed_the_worst_first_with_what_to_type(stores: Stores) -> None:
    with serving(stores, lambda: iter([FINE, WARN, BAD])) as http:
        shown = read(http, "/console/findings")
        assert "<x>" not in http.get("/console/findings").text
    assert "when it checked settings, home folder, stores, log, packages and Dagster at 2024-01-29 00:00." in shown
    assert "The checks begin again when somebody loads this page after 2024-01-29 00:00." in shown
    assert "bad lake the file <x> is damaged restore it warn failed events 3 are not resolved assess failed li" in shown
    assert shown.index("assess failed list") < shown.index("Without problems") < shown.index("ok names not set")


def test_without_a_finding_that_needs_an_action_all_is_well(stores: Stores) -> None:
    with serving(stores, lambda: iter([FINE])) as http:
        shown = read(http, "/console/findings")
    assert "All is well." in shown
    assert "what to do" not in shown  # nothing has an action
    assert "Needs attention" not in shown


def test_the_page_and_the_event_loop_do_not_wait_for_a_slow_check(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "WAIT", 0.2)
    go_on = threading.Event()

    def checks() -> Iterator[Finding]:
        yield WARN
        go_on.wait(20)
        yield BAD

    with serving(stores, checks) as http:
        started = time.monotonic()
        shown = read(http, "/console/findings")
        assert http.get("/health").status_code == 200
        assert time.monotonic() - started < 10
        assert "The checks are still running" in shown
        assert "The checks begin again" not in shown
        assert ("3 are not resolved" in shown, "damaged" in shown) == (True, False)
        go_on.set()
        monkeypatch.setattr(findings, "WAIT", 10.0)
        assert "damaged" in read(http, "/console/findings")


def test_the_page_shows_what_the_doctor_finds_in_stores_that_are_open(stores: Stores, settings: Settings) -> None:
    take(stores, b"{")
    with serving(stores, lambda: examine(settings, {"ASSESS_GRACE_PERIOD": "2d"}, MONDAY, print, stores)) as http:
        shown = read(http, "/console/findings")
    assert "warn failed events 1 is not resolved assess failed list" in shown
    assert "warn settings ASSESS_GRACE_PERIOD is not a setting and has no effect did you mean ASSESS_GRACE?" in shown
    assert f"ok home folder {settings.home}" in shown


def test_a_server_without_checks_says_what_to_type(http: Http) -> None:
    answer = http.get("/console/findings")
    assert answer.status_code == 400
    assert "type assess doctor" in answer.text
