"""`python -m benchmarks.soak [--minutes 60] [--share 0.8] [--store sqlite]`: one worker of the API under a fixed load.

First it measures how many reads a second the worker answers at most, with 32 clients. Then reads arrive at a share of
that rate for some minutes: scores by REST and by GraphQL in turn, each of another learner with its own token. It prints
a line each minute, and in the end whether the memory stayed flat and every request was answered. The exit code is 1 if
not. All figures are written as JSON below benchmarks/results.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import click
import msgspec

from assess_core.wiring import open_stores
from benchmarks import load_servers
from benchmarks.__main__ import RESULTS
from benchmarks.dagster_service import used_by
from benchmarks.data import events, fill_all
from benchmarks.load_generator import Answers, Load, Tally, opened, run, send
from benchmarks.load_servers import Server
from benchmarks.row import machine

_EVENTS: Final = 10_000
_CLIENTS: Final = 32
_MEASURED: Final = 10.0
"""Seconds in which the highest rate is measured, after as many for the first use of each token."""
_SAMPLES: Final = 12
"""Samples of the memory in a minute."""
_MOST_GROWTH: Final = 0.05
_LEAST_SERVED: Final = 0.99
_LEAST_SAMPLES: Final = 8
"""Fewer cannot show a trend: two in each quarter."""


class Minute(NamedTuple):
    """What happened in a minute, or in the shorter time that was asked for."""

    arrived: float
    """Requests that were due."""
    answers: Answers
    memory: tuple[int, ...]
    """Samples of the resident memory of the server, in bytes."""
    cpu: float
    """Processor seconds of the server."""


class Verdict(NamedTuple):
    """Whether the worker bore the load."""

    errors: int
    served: float
    """Answers divided by arrivals."""
    growth: float | None
    """How much more memory the server had in the last quarter than in the second one; None if there are few samples."""
    problems: tuple[str, ...]


def judge(minutes: Sequence[Minute]) -> Verdict:
    """The verdict about a run. The first quarter does not count for the memory: caches fill in it."""
    arrived, count = sum(one.arrived for one in minutes), sum(one.answers.answered for one in minutes)
    errors = sum(one.answers.errors for one in minutes)
    memory = [sample for one in minutes for sample in one.memory]
    quarter, growth = len(memory) // 4, None
    problems = []
    if errors:
        first = next(one.answers.error for one in minutes if one.answers.errors)
        problems.append(f"{errors:,} of {count + errors:,} requests failed; the first: {first}")
    served = count / arrived if arrived else 0.0
    if served < _LEAST_SERVED:
        problems.append(f"only {served:.1%} of the requests were answered: the rate is more than the server can do")
    if len(memory) < _LEAST_SAMPLES:
        problems.append("too few samples of the memory to say whether it grows; run for longer")
    else:
        growth = median(memory[-quarter:]) / median(memory[quarter : 2 * quarter]) - 1
        if growth > _MOST_GROWTH:
            problems.append(f"the memory grew by {growth:.1%} between the second quarter and the last one")
    return Verdict(errors, served, growth, tuple(problems))


def sentence(verdict: Verdict) -> str:
    """The last line of the output."""
    if verdict.problems:
        return "FAILED: " + "; ".join(verdict.problems)
    return f"passed: no errors, {verdict.served:.1%} answered, memory {verdict.growth:+.1%}"


def line(number: int, minute: Minute, seconds: float) -> str:
    """The line of a minute."""
    answers = minute.answers
    cpu = minute.cpu / max(1, answers.answered) * 1e6
    return (
        f"{number:>6} {answers.answered / seconds:>9,.0f} {answers.errors:>7,} {answers.p50 * 1000:>8.2f} "
        f"{answers.p99 * 1000:>8.2f} {minute.memory[-1] / 1e6:>7,.0f} {cpu:>7.0f}"
    )


_HEAD: Final = "minute answers/s  errors   p50 ms   p99 ms  RSS MB  CPU us"


async def _soak(server: Server, requests: Sequence[bytes], rate: float, minutes: float) -> list[Minute]:
    """Send at this rate, and print a line each minute."""
    tally, found, left = Tally(), list[Minute](), minutes * 60
    sending = asyncio.create_task(opened(Load(server.port, requests, _CLIENTS, left), rate, tally))
    while left > 0:
        seconds, memory, before = min(60.0, left), list[int](), used_by(server.process).seconds
        for _ in range(_SAMPLES):
            await asyncio.sleep(seconds / _SAMPLES)
            memory.append(resident(server.process))
        left -= seconds
        if left <= 0:
            await sending  # the last answers belong to the last minute
        minute = Minute(rate * seconds, tally.read(), tuple(memory), used_by(server.process).seconds - before)
        found.append(minute)
        click.echo(line(len(found), minute, seconds))
    return found


def resident(process: Path) -> int:
    """The resident memory of a process in bytes, by its folder below /proc."""
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    return next(int(each.split()[1]) * 1024 for each in lines if each.startswith("VmRSS:"))


@click.command(help=__doc__)
@click.option("--minutes", default=60.0, show_default=True, type=click.FloatRange(min=0, min_open=True))
@click.option("--share", default=0.8, show_default=True, help="Of the highest rate.")
@click.option("--store", default="sqlite", show_default=True, type=click.Choice(["sqlite", "memory"]))
@click.option("--events", "count", default=_EVENTS, show_default=True, help="Attempts in the store.")
def main(minutes: float, share: float, store: str, count: int) -> None:
    """Measure, print and write."""
    with TemporaryDirectory(prefix="assess-soak-") as folder:
        settings = load_servers.guarded(Path(folder))
        fill_all(settings.home, events(count))
        some = load_servers.learners(open_stores(settings))
        requests = list(
            chain.from_iterable(
                zip(load_servers.reads_of_scores(some), load_servers.queries_of_scores(some), strict=True)
            )
        )
        start = load_servers.ours(settings) if store == "sqlite" else load_servers.ours_from_memory(settings, count)
        with start as server:
            described, load = machine(), Load(server.port, requests, _CLIENTS, _MEASURED)
            send(load)
            [most] = send(load)
            rate = share * most.answered / most.seconds
            click.echo(
                f"at most {most.answered / most.seconds:,.0f} reads/s ({store}); {minutes:g} min at {rate:,.0f}/s"
            )
            click.echo(_HEAD)
            found = run(_soak(server, requests, rate, minutes))
    verdict = judge(found)
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"soak-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    asked = {"minutes": minutes, "share": share, "store": store, "events": count}
    document = {"machine": described, "asked": asked, "most": most, "rate": rate, "verdict": verdict, "minutes": found}
    target.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    click.echo(f"written to {target}")
    click.echo(sentence(verdict))
    sys.exit(1 if verdict.problems else 0)


if __name__ == "__main__":
    main()
