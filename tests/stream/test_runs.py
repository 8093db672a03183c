"""A run that waits for a store, and the end of a run."""

import pytest

from assess_cli.ingest import ingest
from assess_core.errors import BadLog, StoreUnavailable
from stream.__main__ import ingest as job
from stream.runs import Run


def test_a_run_that_is_stopped_while_it_waits_raises_the_error_of_the_store() -> None:
    run, calls, waits, printed = Run(), list[int](), list[int](), list[str]()

    def unavailable() -> None:
        calls.append(1)
        raise StoreUnavailable("the store is down")

    def meanwhile() -> None:
        waits.append(1)
        run.end()

    with pytest.raises(StoreUnavailable, match="the store is down"):
        run.call_until_available(unavailable, printed.append, meanwhile)
    assert (len(calls), len(waits), len(printed)) == (1, 1, 1)


def test_a_permanent_error_is_raised_immediately() -> None:
    def broken() -> None:
        raise BadLog("no such file")

    with pytest.raises(BadLog):
        Run().call_until_available(broken, print)


def test_the_stream_command_has_the_options_of_assess_ingest() -> None:
    options = {name for parameter in ingest.params for name in parameter.opts} - {"--repair"}
    assert options == {name for parameter in job.params for name in parameter.opts}
