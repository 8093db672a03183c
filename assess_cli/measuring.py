"""Measures the commands that operators run by a timer, for `/metrics`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

MEASURED: Final = frozenset({"archive", "verify", "clear", "compact", "balance", "exhaust"})


@contextmanager
def measuring(ctx: click.Context) -> Iterator[None]:
    """Record how long the called command takes, and whether it fails, if it is one of `MEASURED`."""
    started, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "done"
    except click.exceptions.Exit as ended:
        outcome = "failed" if ended.exit_code else "done"
        raise
    finally:
        if ctx.invoked_subcommand in MEASURED and ctx.obj is not None:
            from assess_core.domain.measures import RUN_SECONDS, Sample
            from assess_core.wiring import open_meter

            sample = Sample(RUN_SECONDS, time.perf_counter() - started, (ctx.invoked_subcommand, outcome))
            open_meter(ctx.obj).record(sample)
