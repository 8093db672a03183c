"""A Dagster instance of a test's own, over stores of its own."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from assess_core.archiving import SliceView, slice_views
from assess_core.events import decode
from assess_core.facts import NoFacts
from assess_core.folding import Checks, fold
from assess_core.ports import Stores
from assess_core.settings import Settings
from assess_core.wiring import open_stores
from tests.factories import MONDAY, WEEK, record

with warnings.catch_warnings():
    # what Dagster says of its own interfaces, by class; anything else that loading us brings up is an error
    for notice in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
        warnings.simplefilter("ignore", notice)
    from assess_assets.definitions import defs
    from assess_assets.resources import Lakehouse
    from assess_assets.schedules import runs_over
    from assess_assets.sensors import register_slices_and_batches, retire_cleared_slices

ASSETS = [asset for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition)]
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


class Clock:
    """What time it is; long after everything that happens in a test, unless it says otherwise."""

    now = MONDAY + 520 * WEEK


class Dagster:
    """What a person does in the UI, by name."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        clock = Clock()

        class Frozen(Lakehouse):
            """Opens the stores at a time of the test's own."""

            def now(self) -> int:
                return clock.now

        self.clock = clock
        self.cursors: dict[str, str | None] = {}
        self.settings = Settings.from_env({}, str(home))
        self.instance = instance
        self.resources = {"lakehouse": Frozen(home=str(home))}

    @property
    def stores(self) -> Stores:
        return open_stores(self.settings)

    def ingest(self, messages: Iterable[object], received: int | None = None) -> None:
        """Fold events, each received then (or when it was attempted)."""
        records = [record(message, offset, received) for offset, message in enumerate(messages, start=1)]
        fold([decode(each) for each in records], self.stores.hot, Checks(NoFacts()))

    def register(self, partitions: str, keys: Sequence[str]) -> None:
        """Add partitions by hand."""
        self.instance.add_dynamic_partitions(partitions, keys)

    def tick(self, sensor: dg.SensorDefinition = register_slices_and_batches) -> dg.SensorResult:
        """Evaluate a sensor, and do what it asks for."""
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
        """Evaluate the sensor that takes keys away, and take them away."""
        return self.tick(retire_cleared_slices)

    def begin_a_run(self) -> None:
        """A run that has started and not ended."""
        create_run_for_test(self.instance, status=dg.DagsterRunStatus.STARTED)

    @staticmethod
    def asset_key(asset: str) -> dg.AssetKey:
        return dg.AssetKey(asset)

    def check(self, name: str) -> dg.AssetCheckEvaluation:
        """Run one of the checks that look after the stores."""
        [check] = [each for each in defs.asset_checks or [] if each.check_key.name == name]
        run = dg.materialize(
            [check], instance=self.instance, resources=self.resources, selection=dg.AssetSelection.checks(check)
        )
        [evaluation] = run.get_asset_check_evaluations()
        return evaluation

    def keys(self, partitions: str) -> Sequence[str]:
        """The registered partitions, in their order."""
        return self.instance.get_dynamic_partitions(partitions)

    def materialize(self, asset: str, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
        """Materialize one partition, or all from `first` to `last` in one run."""
        keys = {"partition_key": first} if last is None else {"tags": {FIRST: first, LAST: last}}
        return dg.materialize(
            ASSETS, selection=[asset], instance=self.instance, resources=self.resources, raise_on_error=False, **keys
        )

    def observe(self, asset: str) -> Mapping[str, Any]:
        """Observe a source asset; what it says."""
        job = dg.define_asset_job("observe", dg.AssetSelection.assets(asset))
        resolved = dg.Definitions(ASSETS, jobs=[job], resources=self.resources).resolve_job_def("observe")
        [observation] = resolved.execute_in_process(instance=self.instance).get_asset_observation_events()
        return observation.asset_observation_data.asset_observation.metadata

    def due(self, needs_it: Callable[[SliceView], bool]) -> list[dg.RunRequest]:
        """What a schedule for slices that need it asks for now."""
        views = slice_views(self.stores, self.clock.now, self.settings.grace, None)
        return runs_over({str(view.slice) for view in views if needs_it(view)}, self.keys("archive_slices"))

    def run(self, job: str, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Do what a schedule asks for."""
        resolved = dg.Definitions(ASSETS, jobs=defs.jobs, resources=self.resources).resolve_job_def(job)
        return resolved.execute_in_process(instance=self.instance, tags=request.tags)

    @staticmethod
    def why(result: dg.ExecuteInProcessResult) -> str:
        """Why the run failed, as its step says."""
        [failure] = result.get_step_failure_events()
        return failure.step_failure_data.error_display_string


@pytest.fixture
def dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dagster]:
    for name in [name for name in os.environ if name.startswith("ASSESS_")]:
        monkeypatch.delenv(name)
    with dg.DagsterInstance.ephemeral(str(tmp_path / "dagster")) as instance:
        yield Dagster(tmp_path / "home", instance)
