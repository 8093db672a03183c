"""Random requests and queries: `python -m tests.fuzz_api` sends more of them."""

from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from assess_core.ports.stores import Stores
from graphql_api.openapi import document
from graphql_api.schema import schema
from tests import fuzz_api
from tests.api.client import Http
from tests.fuzz_api import BrokenRule, made, run, served


@pytest.mark.long
def test_random_requests_and_queries_cause_no_internal_error_and_get_documented_answers(
    stores: Stores, tmp_path: Path
) -> None:
    with served(stores, tmp_path) as http:
        statuses = run(http, 500, seed=3).statuses
    assert {"GraphQL 200", "GraphQL 400", "REST 200", "REST 400"} <= statuses.keys()


def test_a_broken_rule_ends_the_run(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(schema.type_map["Query"].fields["slices"], "resolve", broken)  # type: ignore[attr-defined]
    with served(stores, tmp_path) as http, pytest.raises(BrokenRule, match="slices"):
        run(http, 500, seed=3, graphql=1)


def test_an_undocumented_answer_ends_the_run(
    stores: Stores, tmp_path: Path, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    documented = document()
    [operation] = documented["paths"]["/health"].values()
    changed = {**operation, "responses": {"503": operation["responses"]["200"]}}
    monkeypatch.setattr(fuzz_api, "document", lambda: {**documented, "paths": {"/health": {"get": changed}}})
    with pytest.raises(BrokenRule, match="not documented"):
        run(http, 30, seed=3, graphql=0)


def test_most_random_bodies_are_valid() -> None:
    random = Random(1)
    schema_ = document()["components"]["schemas"]["Assessment"]
    bodies = [made(schema_, random) for _ in range(50)]
    assert sum(isinstance(body, dict) and body.get("userId") == "u1" for body in bodies) > 10


@pytest.fixture
def fuzz_contract() -> ModuleType:
    """Imported where it is used: in each process that collects tests, Schemathesis would take a tenth of the time."""
    return import_module("tests.fuzz_contract")


@pytest.mark.long
def test_requests_that_fit_or_violate_the_contract_get_documented_answers(
    stores: Stores, tmp_path: Path, fuzz_contract: ModuleType
) -> None:
    with served(stores, tmp_path) as http:
        statuses = fuzz_contract.run(http, 50, seed=5)
    assert {"200", "400"} <= statuses.keys()


@pytest.mark.long
def test_an_answer_that_the_contract_does_not_have_ends_the_run(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fuzz_contract: ModuleType
) -> None:
    documented = document()
    operation = documented["paths"]["/health"]["get"]
    changed = {**operation, "responses": {"503": operation["responses"]["200"]}}
    monkeypatch.setattr(fuzz_contract, "document", lambda: {**documented, "paths": {"/health": {"get": changed}}})
    with served(stores, tmp_path) as http, pytest.raises(BrokenRule, match="not documented"):
        fuzz_contract.run(http, 2, seed=5)
