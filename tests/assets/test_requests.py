"""Requests for reports in Dagster: a sensor starts a run if nothing else serves them, and a run serves many."""

import time

import dagster as dg

from assess_assets.requests import SERVES, requested_exhausts, serve_requests
from assess_core.domain.moments import MINUTE
from assess_core.domain.report_jobs import JobStatus, new_job
from assess_core.ports.requests import Requests
from assess_core.wiring import open_requests
from tests.assets.conftest import ASSETS, Dagster
from tests.factories import event
from tests.report_requests import request


def submit(dagster: Dagster, *batches: str, age: int = 0) -> Requests:
    """Submit a request, `age` ms ago."""
    store = open_requests(dagster.settings)
    store.add(new_job(request(*batches), time.time_ns() // 1_000_000 - age))
    return store


def serve(dagster: Dagster) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        ASSETS, selection=[requested_exhausts], instance=dagster.instance, resources=dagster.resources
    )


def tick(dagster: Dagster) -> dg.SensorResult:
    dagster.clock.now = time.time_ns() // 1_000_000
    return dagster.tick(serve_requests)


def test_one_run_serves_many_requests_and_a_failed_one_does_not_fail_it(dagster: Dagster) -> None:
    dagster.ingest([event(batch="b1"), event(batch="b2")])
    for batches in (["b1"], ["b2"], ["b1", "b2"], ["nope"]):
        store = submit(dagster, *batches)

    done = serve(dagster)

    assert done.success
    [materialization] = done.asset_materializations_for_node("requested_exhausts")
    assert (materialization.metadata["requests"].value, materialization.metadata["rows"].value) == (4, 4)
    assert "no store knows batch 'nope'" in str(materialization.metadata["failed"].value)
    statuses = sorted(str(job.status) for job in store.of_channel("in.ekstep", None, 10))
    assert statuses == ["FAILED", "SUCCESS", "SUCCESS", "SUCCESS"]


def test_a_run_without_requests_does_nothing(dagster: Dagster) -> None:
    [materialization] = serve(dagster).asset_materializations_for_node("requested_exhausts")
    assert materialization.metadata["requests"].value == 0


def test_the_sensor_leaves_a_new_request_to_a_worker_process(dagster: Dagster) -> None:
    submit(dagster)

    result = tick(dagster)

    assert (result.run_requests, result.skip_reason and result.skip_reason.skip_message) == (
        [],
        "no request waits longer than a minute",
    )


def test_the_sensor_starts_one_run_for_requests_that_nothing_serves(dagster: Dagster) -> None:
    store = submit(dagster, age=2 * MINUTE)

    assert len(tick(dagster).run_requests or []) == 1
    job = dg.GraphDefinition("serves").to_job()
    dagster.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=SERVES)
    again = tick(dagster)

    assert not again.run_requests
    assert again.skip_reason is not None
    assert again.skip_reason.skip_message == "1 request waits; a run serves it"
    [waiting] = store.of_channel("in.ekstep", None, 10)
    assert waiting.status is JobStatus.SUBMITTED
