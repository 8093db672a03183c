"""How a run waits for a store, and how it ends."""

import time

import pytest

from assess_cli.ingest import ingest
from assess_core.errors import BadLog, StoreUnavailable
from stream.__main__ import ingest as job
from stream.runs import Run


def test_a_run_that_is_told_to_end_while_it_waits_raises_the_error_it_waited_for() -> None:
    run, calls, said = Run(), list[int](), list[str]()

    def away() -> None:
        calls.append(1)
        raise StoreUnavailable("the store is away")

    def meanwhile() -> None:
        run.end()

    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="the store is away"):
        run.call_until_available(away, said.append, meanwhile)
    assert time.monotonic() - started < 0.4
    assert (len(calls), len(said)) == (1, 1)


def test_an_error_that_waiting_does_not_help_is_raised_at_once() -> None:
    def broken() -> None:
        raise BadLog("no such file")

    with pytest.raises(BadLog):
        Run().call_until_available(broken, print)


def test_the_job_that_ingest_becomes_has_its_options() -> None:
    options = {name for parameter in ingest.params for name in parameter.opts} - {"--repair"}
    assert options == {name for parameter in job.params for name in parameter.opts}
