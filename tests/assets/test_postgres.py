"""Dagster with its records in PostgreSQL and a queue of runs, as the deployment for several machines configures it."""

from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from ruamel.yaml import YAML

from assess_assets.__main__ import main
from assess_core.settings import Settings
from assess_core.usecases.archiving import slice_views
from assess_core.wiring import open_stores
from assess_core.wiring.places import clock
from benchmarks.backfill import fill
from benchmarks.dagster_service import running
from tests.postgres import Postgres, postgres

DEPLOYED: Final = Path(__file__).parents[2] / "deploy" / "dagster" / "dagster.yaml"
SLICES: Final = 4


def instance_at(server: Postgres) -> str:
    """The deployed dagster.yaml at this server. The output of runs stays on this machine."""
    config = YAML(typ="safe").load(DEPLOYED.read_text(encoding="utf-8"))
    config["storage"]["postgres"]["postgres_db"]["port"] = server.port
    del config["compute_logs"]
    text = StringIO()
    YAML(typ="safe").dump(config, text)
    return text.getvalue()


@pytest.mark.long
def test_a_backfill_clears_its_slices_with_dagsters_records_in_postgres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_env({"ASSESS_HOME": str(tmp_path / "home")})
    monkeypatch.setenv("ASSESS_HOME", str(settings.home))
    fill(settings, SLICES, 3)
    lines: list[str] = []
    with postgres() as server:
        for name, value in (("HOST", "127.0.0.1"), ("USER", server.user), ("PASSWORD", server.password)):
            monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", value)
        monkeypatch.setenv("DAGSTER_POSTGRES_DB", server.database)
        with running(settings, tmp_path / "dagster.log", instance_at(server)) as dagster:
            dagster.start_sensor("register_slices_and_batches")
            dagster.wait("registering", lambda: len(dagster.registered()) == SLICES)
            assert main(["--dagster", dagster.url], lines.append) == 0
            backfill = lines[0].rpartition("/")[2]
            dagster.wait("the backfill", lambda: dagster.state(backfill).has_ended, patience=400)

            assert dagster.state(backfill).succeeded, (tmp_path / "dagster.log").read_text()
    views = slice_views(open_stores(settings), clock(), settings.grace, None)
    assert [view.status.value for view in views] == ["cleared"] * SLICES
    assert not list((settings.home / "dagster").rglob("*.db"))
