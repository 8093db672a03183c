"""deploy/monitoring: every metric of dashboard and rules is in a live `/metrics`, every alert in the runbook."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from assess_core.domain.measures import MEASURES
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.wiring import open_meter, open_meters
from graphql_api.app import create_app
from stream.sinks import Target
from tests.api.client import client
from tests.cli.conftest import Assess
from tests.cli.conftest import assess as assess
from tests.deploy.manifests import DEPLOY, ROOT, documents
from tests.factories import event
from tests.loop import queries

FOLDER: Final = DEPLOY / "monitoring"
RULES: Final[list[dict[str, Any]]] = documents(FOLDER / "alerts.yaml")[0]["groups"][0]["rules"]
DASHBOARD: Final = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SERIES: Final = re.compile(r"\b(?:assess|process)_[a-z_]+")


def expressions() -> list[str]:
    found = [rule["expr"] for rule in RULES]
    return found + [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture
def live(assess: Assess, stores: Stores, settings: Settings, tmp_path: Path) -> str:
    """The text of `/metrics` after events, a request, a report, a balance sheet and a step."""
    (tmp_path / "events.jsonl").write_text(json.dumps(event(batch="b1")) + "\nno event\n", encoding="utf-8")
    ingest(settings, tmp_path / "events.jsonl")
    for command in ("balance", "exhaust b1 --report score", "archive --closed"):
        assert assess(*command.split()).exit_code == 0
    assert assess("archive", "nothing").exit_code == 2
    with client(create_app(queries(stores), stores.log.intake(), meters=open_meters(settings))) as http:
        http.get("/graphiql")
        return http.get("/metrics").text


def ingest(settings: Settings, events: Path) -> None:
    """Fold a file with the sink of the stream."""
    from assess_core.ports.facts import NoFacts
    from assess_core.usecases.folding import Checks
    from assess_core.wiring import open_files, open_hot
    from stream.runs import Run
    from stream.steps import Delivery, decode_batch

    hot, _ = open_hot(settings)
    target = Target(hot, Checks(NoFacts()), meter=open_meter(settings))
    for batch in open_files([str(events)], print).batches():
        target.fold(decode_batch(Delivery(batch)), Run())


def test_every_metric_of_the_dashboard_and_the_rules_is_in_a_live_answer(live: str) -> None:
    named = {name for expression in expressions() for name in SERIES.findall(expression)}
    assert len(named) > 15
    shown = set(re.findall(r"^([a-z_]+)(?:\{| )", live, re.MULTILINE))
    assert not named - shown


def test_every_label_of_the_dashboard_and_the_rules_is_in_a_live_answer(live: str) -> None:
    used = {
        (name, label)
        for expression in expressions()
        for name, labels in re.findall(r"(assess_[a-z_]+)\{([^}]*)\}", expression)
        for label in re.findall(r"([a-z_]+)=", labels)
    }
    assert ("assess_events_total", "outcome") in used
    assert not [
        (name, label) for name, label in used if not re.search(rf"^{name}\{{[^}}]*{label}=", live, re.MULTILINE)
    ]


def test_every_metric_of_the_product_is_in_a_live_answer(live: str) -> None:
    assert [name for name in MEASURES if f"\n# TYPE {name}" not in live] == []


def test_every_alert_has_an_entry_in_the_runbook_and_every_entry_an_alert() -> None:
    alerts = [rule["alert"] for rule in RULES]
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == alerts
    for rule in RULES:
        entry = RUNBOOK.partition(f"\n## {rule['alert']}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\*\*([^*]+)\*\*", entry, re.MULTILINE) == ["Symptom.", "Look here.", "Type this."]
        assert re.search(r"`assess [a-z]", entry), f"{rule['alert']} has no command"
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_prometheus_loads_the_rules_and_asks_the_api_at_its_default_port() -> None:
    (config,) = documents(FOLDER / "prometheus.yml")
    assert config["rule_files"] == ["alerts.yaml"]
    assert config["scrape_configs"][0]["job_name"] == "assess-api"
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]


def test_every_panel_has_a_title_a_unit_and_a_place_of_its_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["title"] and panel["fieldConfig"]["defaults"]["unit"] for panel in DASHBOARD["panels"])
