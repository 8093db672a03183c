"""`python -m tests.crash.requests --requests 1000`: many requests of many channels, two workers, kills with SIGKILL.

Proves that each request is published once, that none is stuck, and that channels took turns. Prints the figures.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import click

from assess_core.domain.completeness import SIDECAR_ENDING
from assess_core.domain.events import decode
from assess_core.domain.report_jobs import Job, JobStatus, ReportRequest, canonical, new_job
from assess_core.domain.report_spec import parse_report_spec
from assess_core.ports.facts import NoFacts
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from assess_core.wiring import open_requests, open_stores
from tests.factories import event, record
from tests.forked import Forked

LEASE: Final = "2s"
_POLL: Final = 0.05
_BATCHES: Final = 10


class Outcome(NamedTuple):
    """What happened."""

    seconds: float
    jobs: list[Job]
    kills: int
    files: int
    """Report files on disk that a job names."""
    others: int
    """Files that killed workers left, which no job names: reports and sidecars, finished or not."""

    @property
    def statuses(self) -> Counter[str]:
        return Counter(str(job.status) for job in self.jobs)

    @property
    def largest_lead(self) -> int:
        """How many more jobs than the least served waiting channel one channel had finished, at the worst moment."""
        left = Counter(job.request.channel for job in self.jobs)
        done = Counter(dict.fromkeys(left, 0))
        lead = 0
        for job in sorted(self.jobs, key=lambda job: job.completed_at or 0):
            done[job.request.channel] += 1
            left[job.request.channel] -= 1
            if waiting := [done[channel] for channel, count in left.items() if count]:
                lead = max(lead, done[job.request.channel] - min(waiting))
        return lead


def run(home: Path, requests: int, channels: int, kills: int, workers: int = 2, seed: int = 0) -> Outcome:
    """Queue the requests, start workers, kill one of them `kills` times and start it again; wait for the end."""
    settings = Settings.from_env({}, str(home))
    messages = [event(batch=f"b{n}", user=f"u{user}") for n in range(_BATCHES) for user in range(5)]
    fold([decode(record(message)) for message in messages], open_stores(settings).hot, Checks(NoFacts()))
    store = open_requests(settings)
    for n in range(requests):
        store.add(new_job(_request(n, channels), time.time_ns() // 1_000_000))
    randomly, killed, started = random.Random(seed), 0, time.monotonic()
    running = [_start(home) for _ in range(workers)]
    try:
        while left := len(store.queue()):
            if killed < kills and left < requests * (kills - killed) / (kills + 1):
                os.kill(running[0].pid, signal.SIGKILL)
                running[0].wait()
                killed += 1
                running[0] = _start(home)
            time.sleep(_POLL * randomly.random())
    finally:
        for process in running:
            process.terminate()
            process.wait(20)
    return _outcome(settings, channels, time.monotonic() - started, killed)


def _request(n: int, channels: int) -> ReportRequest:
    channel = f"channel{n % channels}"
    config = {"batchId": f"b{n % _BATCHES}"}
    spec = parse_report_spec({**config, "report": "score"})
    return ReportRequest("score-exhaust", canonical(config), spec, f"t{n}:{channel}", channel, "mentor")


def _start(home: Path) -> "subprocess.Popen[bytes]":
    command = ["-m", "assess_cli", "request", "work", "--follow", "--lease", LEASE]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
    return Forked(command, env={**clean, "ASSESS_HOME": str(home)}, stderr=subprocess.DEVNULL)


def _outcome(settings: Settings, channels: int, seconds: float, killed: int) -> Outcome:
    store = open_requests(settings)
    jobs = [job for n in range(channels) for job in store.of_channel(f"channel{n}", None, 10_000)]
    root = Path(settings.exhausts)
    there = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    named = {file.name for job in jobs for file in job.files}
    assert named <= there, "a published file is missing"
    sidecars = {name + SIDECAR_ENDING for name in named}
    return Outcome(seconds, jobs, killed, len(named), len(there - named - sidecars))


@click.command()
@click.option("--requests", default=1000, show_default=True)
@click.option("--channels", default=20, show_default=True)
@click.option("--kills", default=3, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(requests: int, channels: int, kills: int, seed: int) -> None:
    """Print what happened; exit code 1 if a request was lost, stuck or published twice."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the workers end too
    with tempfile.TemporaryDirectory(prefix="assess-requests-") as folder:
        found = run(Path(folder), requests, channels, kills, seed=seed)
    taken_over = sum(job.claims > 1 for job in found.jobs)
    click.echo(
        f"{requests:,} requests of {channels} channels, 2 workers, {found.kills} kills: {found.seconds:.1f} s, "
        f"{dict(found.statuses)}, {taken_over} taken over, {found.files:,} files published, {found.others} left by "
        f"killed workers, largest lead of a channel {found.largest_lead} requests"
    )
    good = found.statuses == {str(JobStatus.SUCCESS): requests} and found.files == requests
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
