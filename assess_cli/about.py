"""`assess settings` and `assess doctor`: what is in force, and whether it works."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final, Protocol

import click
from packaging.requirements import Requirement

from assess_cli.output import emit_json, emit_rows, notify
from assess_core.domain.slice_status import SliceStatus, Step
from assess_core.errors import AssessError
from assess_core.ports.facts import NoFacts
from assess_core.ports.findings import Finding, Level
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake
from assess_core.ports.log import Log, Position, Positions
from assess_core.ports.reports import Exhausts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings, hidden
from assess_core.usecases.archiving import slice_views
from assess_core.wiring import open_exhausts, open_facts, open_hot, open_lake, open_log, stores_of

DISTRIBUTION: Final = "assessment-lakehouse"
_LITTLE: Final = 1024**3  # bytes; an archive of a busy week and its compaction want room twice
_NONE: Final = 100 * 1024**2  # bytes; SQLite's WAL alone may take that before it is checkpointed


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a setting, a line each.")
@click.pass_context
def settings(ctx: click.Context, as_json: bool) -> None:
    """Print every setting that is in force, and where it comes from.

    \b
    Examples:
      assess settings
      ASSESS_GRACE=6h assess --home /srv/assess settings --json
    """
    in_force: Settings = ctx.obj
    given = ctx.find_root().params["home"] is not None
    rows = (
        {"setting": name, "value": hidden(value), "from": _origin(name, os.environ, given)}
        for name, value in in_force.env().items()
    )
    emit_rows(("setting", "value", "from"), rows, "jsonl" if as_json else "table")


def _origin(name: str, env: Mapping[str, str], home_given: bool) -> str:
    if name == "ASSESS_HOME" and home_given:
        return "--home"
    return "environment" if env.get(name) else "default"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding, a line each, on standard output.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check the home folder, the stores, the log and the packages; exit code 1 when something is bad.

    \b
    Examples:
      assess doctor
      assess doctor --json | grep -v '"ok"'
    """
    findings = []
    for finding in examine(ctx.obj, time.time_ns() // 1_000_000):
        findings.append(finding)
        if as_json:
            emit_json(finding._asdict())
        else:
            click.echo(_line(finding))
    bad = sum(finding.level is Level.BAD for finding in findings)
    warnings = sum(finding.level is Level.WARN for finding in findings)
    notify(f"{bad} bad, {warnings} to look at" if bad or warnings else "all is well")
    ctx.exit(1 if bad else 0)


def _line(finding: Finding) -> str:
    colour = {Level.OK: "green", Level.WARN: "yellow", Level.BAD: "red"}[finding.level]
    line = f"{click.style(f'{finding.level:<4}', fg=colour)}  {finding.what:<14}  {finding.message}"
    return f"{line}\n{'':<22}-> {finding.action}" if finding.action else line


def examine(settings: Settings, now: int) -> Iterator[Finding]:
    """Everything that the doctor looks at, one after the other; `now` in epoch ms. Never raises an `AssessError`."""
    yield _python()
    yield _packages()
    yield _writable("home folder", settings.home)
    yield _space(settings.home)
    if not settings.home.exists() and settings.hot_store.startswith("sqlite:"):
        return  # to open the store would make it
    stores = _Opened(settings)
    looked_at: dict[str, Callable[[], _Examined]] = {
        "hot store": lambda: stores.hot,
        "lake": lambda: stores.lake,
        "log": lambda: stores.log,
        "exhausts": lambda: stores.exhausts,
    }
    bad = False
    for what, store in looked_at.items():
        for finding in _guarded(what, partial(_examine, store)):
            bad = bad or finding.level is Level.BAD
            yield finding
    yield from _guarded("facts", partial(_examine, lambda: open_facts(settings.facts, notify) or NoFacts()))
    if not bad:
        yield from _guarded("failed events", lambda: _failed(stores.hot))
        yield from _guarded("slices", lambda: _slices(settings, stores.together(), now))


class _Examined(Protocol):
    def examine(self) -> Iterator[Finding]: ...


def _examine(opened: Callable[[], _Examined]) -> Iterator[Finding]:
    yield from opened().examine()


class _Opened:
    """The stores, each opened when it is asked for first, and once: to connect may take seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _hot(self) -> tuple[HotStore, Positions]:
        return open_hot(self._settings)

    @property
    def hot(self) -> HotStore:
        return self._hot[0]

    @cached_property
    def lake(self) -> Lake:
        return open_lake(self._settings)

    @cached_property
    def log(self) -> Log:
        return open_log(self._settings, self)

    @cached_property
    def exhausts(self) -> Exhausts:
        return open_exhausts(self._settings)

    def together(self) -> Stores:
        return stores_of(self.hot, self.log, self.lake, self.exhausts)

    # what a log asks for that is a folder; one on Kafka has its own
    def positions(self) -> dict[str, Position]:
        return self._hot[1].positions()

    def commit(self, positions: Mapping[str, Position]) -> None:
        self._hot[1].commit(positions)


def _guarded(what: str, findings: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What is found, store by store: that one is away says nothing of the others."""
    try:
        yield from findings()
    except AssessError as error:
        yield Finding(Level.BAD, what, str(error))


def _python() -> Finding:
    message = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Finding(Level.OK, "Python", message)
    return Finding(Level.BAD, "Python", f"{message} is not supported", "use Python 3.11 or 3.12")


def _packages() -> Finding:
    try:
        wanted = [Requirement(text) for text in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:
        return Finding(
            Level.WARN, "packages", f"{DISTRIBUTION} is not installed, so its needs are unknown", "make setup"
        )
    wrong = []
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, not {requirement.specifier}")
    if wrong:
        return Finding(Level.BAD, "packages", "; ".join(wrong), "make setup, or pip install the versions named")
    return Finding(Level.OK, "packages", f"{DISTRIBUTION} {version(DISTRIBUTION)} and what it needs")


def _space(home: Path) -> Finding:
    free = shutil.disk_usage(_nearest(home)).free
    message = f"{free / 1024**3:.1f} GiB free"
    if free < _NONE:
        return Finding(Level.BAD, "free space", message, "free some space, or name another folder with --home")
    if free < _LITTLE:
        return Finding(Level.WARN, "free space", message, "free some space before the next archive")
    return Finding(Level.OK, "free space", message)


def _writable(what: str, folder: Path) -> Finding:
    place = _nearest(folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding(Level.BAD, what, f"{folder} cannot be written", f"let this user write {place}")
    if place != folder:
        return Finding(Level.OK, what, f"{folder} is not there yet; the first command that writes to it makes it")
    return Finding(Level.OK, what, str(folder))


def _nearest(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _failed(hot: HotStore) -> Iterator[Finding]:
    waiting = sum(1 for _ in hot.failed())
    if waiting:
        yield Finding(Level.WARN, "failed events", f"{waiting:,} wait to be mended", "assess failed list")
    else:
        yield Finding(Level.OK, "failed events", "none")


def _slices(settings: Settings, stores: Stores, now: int) -> Iterator[Finding]:
    views = slice_views(stores, now, settings.grace, stores.log.unread())
    if damaged := [view for view in views if view.has_failed]:
        message = f"{len(damaged):,} could not be verified, e.g. {damaged[0].note}"
        yield Finding(Level.BAD, "slices", message, "assess verify --closed, once that is mended")
    waiting = {
        ("closed and not archived", "assess archive --closed"): [
            view for view in views if Step.ARCHIVE in view.next_steps and view.status is SliceStatus.PLANNED
        ],
        ("archived and not verified", "assess verify --closed"): [
            view for view in views if Step.VERIFY in view.next_steps and not view.has_failed
        ],
        ("archived, and got rows since", "assess archive --closed, then verify and clear"): [
            view for view in views if Step.ARCHIVE in view.next_steps and view.status is SliceStatus.VERIFIED
        ],
        ("where a clear began and has not ended", "assess clear --closed"): [
            view for view in views if view.status is SliceStatus.CLEARING
        ],
    }
    for (what, action), found in waiting.items():
        if found:
            yield Finding(Level.WARN, "slices", f"{len(found):,} {what}, e.g. {found[0].slice}", action)
    if not damaged and not any(waiting.values()):
        yield Finding(Level.OK, "slices", f"{len(views):,}, none waits for anybody")
