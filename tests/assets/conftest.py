"""A Dagster instance and stores for each test."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assess_assets.definitions import defs
from assess_assets.resources import Lakehouse
from assess_assets.sensors import register_slices_and_batches, retire_cleared_slices
from assess_core.domain.events import decode
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from assess_core.wiring import open_stores
from tests.assets.dagster_internals import IN_MEMORY
from tests.factories import MONDAY, WEEK, record

ASSETS = [asset for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition)]
TUESDAY = datetime(2034, 1, 17, tzinfo=UTC)  # the day after `Clock.now`
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def begin_a_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """Create a run that is in progress."""
    job = dg.GraphDefinition("nothing").to_job()
    return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)


class Clock:
    """The current time. It is long after every event unless a test changes it."""

    now = MONDAY + 520 * WEEK


class Dagster:
    """What a person does in the Dagster UI."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.clock = Clock()
        self.cursors: dict[str, str | None] = {}
        self.settings = Settings.from_env({}, str(home))
        self.instance = instance
        self.resources = {"lakehouse": Lakehouse(home=str(home))}

    @property
    def stores(self) -> Stores:
        return open_stores(self.settings)

    def ingest(self, messages: Iterable[object], received: int | None = None) -> None:
        """Fold events that were received at this time, or when they were attempted."""
        records = [record(message, offset, received) for offset, message in enumerate(messages, start=1)]
        fold([decode(each) for each in records], self.stores.hot, Checks(NoFacts()))

    def register(self, partitions: str, keys: Sequence[str]) -> None:
        """Add partitions without the sensor."""
        self.instance.add_dynamic_partitions(partitions, keys)

    def tick(self, sensor: dg.SensorDefinition = register_slices_and_batches) -> dg.SensorResult:
        """Evaluate a sensor and apply its result."""
        cursor = self.cursors.get(sensor.name)
        with dg.build_sensor_context(self.instance, cursor=cursor, resources=self.resources) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursors[sensor.name] = result.cursor
        for request in result.dynamic_partitions_requests or []:
            for key in request.partition_keys:
                self.instance.delete_dynamic_partition(request.partitions_def_name, key)
        return result

    def retire(self) -> dg.SensorResult:
        """Evaluate the sensor that retires keys."""
        return self.tick(retire_cleared_slices)

    def begin_a_run(self) -> None:
        """Create a run that is in progress."""
        begin_a_run(self.instance)

    @staticmethod
    def asset_key(asset: str) -> dg.AssetKey:
        return dg.AssetKey(asset)

    def check(self, name: str) -> dg.AssetCheckEvaluation:
        """Run one of the checks of `hot_attempts`."""
        [check] = [each for each in defs.asset_checks or [] if each.check_key.name == name]
        run = dg.materialize(
            [check], instance=self.instance, resources=self.resources, selection=dg.AssetSelection.checks(check)
        )
        [evaluation] = run.get_asset_check_evaluations()
        return evaluation

    def keys(self, partitions: str) -> Sequence[str]:
        """The registered partitions, in their order."""
        return self.instance.get_dynamic_partitions(partitions)

    def materialize(
        self, asset: str, first: str, last: str | None = None, **config: dict[str, Any]
    ) -> dg.ExecuteInProcessResult:
        """Materialize one partition, or in one run all from `first` to `last`. `config` maps assets to their config."""
        keys = {"partition_key": first} if last is None else {"tags": {FIRST: first, LAST: last}}
        return dg.materialize(
            ASSETS,
            selection=[asset],
            instance=self.instance,
            resources=self.resources,
            raise_on_error=False,
            run_config={"ops": {name: {"config": values} for name, values in config.items()}},
            **keys,
        )

    def observe(self, asset: str) -> Mapping[str, Any]:
        """Observe a source asset. Returns its metadata."""
        job = dg.define_asset_job("observe", dg.AssetSelection.assets(asset))
        resolved = dg.Definitions(ASSETS, jobs=[job], resources=self.resources).resolve_job_def("observe")
        [observation] = resolved.execute_in_process(instance=self.instance).get_asset_observation_events()
        return observation.asset_observation_data.asset_observation.metadata

    def selected_at(self, hour: int) -> dict[str, list[str]]:
        """The slices that the conditions select on a Tuesday at this hour, by asset. None are due a minute earlier."""
        before, after = (TUESDAY + timedelta(hours=hour, minutes=minutes) for minutes in (-1, 1))
        every = dg.AssetSelection.all()
        earlier = dg.evaluate_automation_conditions(defs, self.instance, every, before)
        assert earlier.total_requested == 0
        found = dg.evaluate_automation_conditions(defs, self.instance, every, after, earlier.cursor)
        selected = {str(each.key.to_user_string()): found.get_requested_partitions(each.key) for each in found.results}
        place = {key: place for place, key in enumerate(self.keys("archive_slices"))}
        return {asset: sorted(map(str, keys), key=place.__getitem__) for asset, keys in selected.items() if keys}

    @staticmethod
    def error_of(result: dg.ExecuteInProcessResult) -> str:
        """The error of the step that failed."""
        [failure] = result.get_step_failure_events()
        return failure.step_failure_data.error_display_string


@pytest.fixture(scope="session", autouse=True)
def _no_migration_is_noted_in_memory() -> Iterator[None]:
    """An instance in memory reads the files of 45 migrations twice, to store which is the newest. Nothing asks it."""
    with pytest.MonkeyPatch.context() as patch:
        for storage in IN_MEMORY:
            patch.setattr(storage, "stamp_alembic_rev", lambda *_: None)
        yield


@pytest.fixture
def dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dagster]:
    for name in [name for name in os.environ if name.startswith("ASSESS_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("ASSESS_HOME", str(home))  # conditions have no resources, so they read the environment
    with dg.DagsterInstance.ephemeral(str(tmp_path / "dagster")) as instance:
        dagster = Dagster(home, instance)
        monkeypatch.setattr(Lakehouse, "now", lambda _: dagster.clock.now)
        yield dagster
