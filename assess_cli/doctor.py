"""`assess doctor`: a check of everything."""

import os
import shlex
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final, Protocol

import click
from packaging.requirements import Requirement

from assess_cli import doctor_decisions, doctor_sources
from assess_cli.output import emit_json, notify
from assess_cli.settings import unknown_settings
from assess_cli.switches import read_switches
from assess_core.domain.moments import MINUTE, duration_text
from assess_core.domain.report_queue import unserved
from assess_core.domain.slice_status import SliceStatus, Step
from assess_core.domain.tickets import TicketStatus, held_space
from assess_core.errors import AssessError
from assess_core.ports.facts import NoFacts
from assess_core.ports.findings import Finding, Level
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, name_of
from assess_core.ports.log import Log, Position, Positions
from assess_core.ports.reports import Exhausts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.pending import pending_views
from assess_core.usecases.report_work import ready_jobs
from assess_core.wiring import (
    hot_schema,
    open_exhausts,
    open_facts,
    open_hot,
    open_lake,
    open_log,
    open_requests,
    request_rules,
    stores_of,
)
from assess_core.wiring.places import clock

DISTRIBUTION: Final = "assessment-lakehouse"
_LITTLE: Final = 1024**3  # bytes; archiving and compacting a busy week needs twice this
_NONE: Final = 100 * 1024**2  # bytes; SQLite's WAL alone can grow to this size
_STUCK: Final = 10 * MINUTE
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each finding.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check settings, home folder, stores, log, packages and Dagster; exit code 1 if something is bad.

    It changes nothing. Each finding that needs an action names it.

    \b
    Examples:
      assess doctor
      assess doctor --json | jq '.[] | select(.level != "ok")'
    """
    findings = []
    for finding in examine(ctx.obj, os.environ, clock()):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    if as_json:
        emit_json([finding._asdict() for finding in findings])
    bad = sum(finding.level is Level.BAD for finding in findings)
    warnings = sum(finding.level is Level.WARN for finding in findings)
    notify(f"{bad} bad, {warnings} to look at" if bad or warnings else "all is well")
    ctx.exit(1 if bad else 0)


def _line(finding: Finding) -> str:
    colour = {Level.OK: "green", Level.WARN: "yellow", Level.BAD: "red"}[finding.level]
    line = f"{click.style(f'{finding.level:<4}', fg=colour)}  {finding.what:<14}  {finding.message}"
    return f"{line}\n{'':<22}-> {finding.action}" if finding.action else line


def examine(settings: Settings, env: Mapping[str, str], now: int) -> Iterator[Finding]:
    """All findings, one check after the other; `now` in epoch ms. Raises no `AssessError`, creates no file."""
    yield _python()
    yield _packages()
    for sentence, action in unknown_settings(env):
        yield Finding(Level.WARN, "settings", sentence, action)
    yield from _home(settings.home)
    yield from _spaces(settings)
    stores = _Opened(settings)
    checks: dict[str, Callable[[], _Examined]] = {
        "hot store": lambda: stores.hot,
        "lake": lambda: stores.lake,
        "log": lambda: stores.log,
        "exhausts": lambda: stores.exhausts,
    }
    hot_file = _missing_hot_file(settings)
    if hot_file is not None:
        yield from _guarded("hot store", lambda: _no_hot_file(settings, hot_file))
        del checks["hot store"]  # opening it would create it
        if "://" not in settings.log:
            del checks["log"]  # its positions are in that file
            yield _writable("log", Path(settings.log))
    bad = False
    for what, store in checks.items():
        for finding in _guarded(what, partial(_examine, store)):
            bad = bad or finding.level is Level.BAD
            yield finding
    yield from _guarded("API", lambda: doctor_sources.api(settings))
    yield from _guarded("facts", partial(_examine, lambda: open_facts(settings.facts, notify) or NoFacts()))
    yield from _guarded("names", lambda: doctor_sources.names(settings))
    yield from _guarded("grants", lambda: doctor_sources.grants(settings))
    yield from _guarded("notices", lambda: doctor_sources.notices(settings))
    yield from _guarded("schedules", lambda: doctor_sources.schedules(settings))
    yield from _guarded("retention", lambda: doctor_sources.retention(settings))
    if hot_file is None and not bad:
        yield from _guarded("failed events", lambda: _failed(stores.hot))
        yield from _guarded("erasures", lambda: doctor_sources.erasures(settings, stores.hot))
        yield from _guarded("requests", lambda: _requests(settings, now))
        yield from _guarded("tickets", lambda: _tickets(stores.lake, now))
        yield from _guarded("slices", lambda: _slices(settings, stores.together(), now))
        yield from _guarded("corrections", lambda: doctor_decisions.corrections(stores.together()))
    yield from _guarded("Dagster", lambda: _switches(settings.home, env))


def _no_hot_file(settings: Settings, file: Path) -> Iterator[Finding]:
    hot_schema(settings)  # reads the options of the URL
    action = "assess ingest EVENTS, or assess demo; if there should be data, check --home and ASSESS_HOT_STORE"
    found = _writable("hot store", file.parent)
    if found.level is Level.OK:
        found = Finding(Level.WARN, "hot store", f"{file} does not exist yet; the first event creates it", action)
    yield found


def _missing_hot_file(settings: Settings) -> Path | None:
    """The file of an embedded hot store that does not exist yet."""
    file = _hot_file(settings)
    return file if settings.hot_store.startswith("sqlite:") and not file.exists() else None


def _hot_file(settings: Settings) -> Path:
    """The file of an embedded hot store; any path below the home folder for another store."""
    scheme, _, rest = settings.hot_store.partition(":///")
    return Path(rest.partition("?")[0]) if scheme == "sqlite" else settings.home / "hot.sqlite"


class _Examined(Protocol):
    def examine(self) -> Iterator[Finding]: ...


def _examine(opened: Callable[[], _Examined]) -> Iterator[Finding]:
    yield from opened().examine()


class _Opened:
    """The stores. Each is opened once, at its first use, because connecting can take seconds."""

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

    # a log in a folder stores its positions in the hot store; Kafka stores its own
    def positions(self) -> dict[str, Position]:
        return self._hot[1].positions()

    def commit(self, positions: Mapping[str, Position]) -> None:
        self._hot[1].commit(positions)


def _guarded(what: str, findings: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of one check; an error becomes a finding, so that the next check runs."""
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
            Level.WARN, "packages", f"{DISTRIBUTION} is not installed, so its requirements are unknown", "make setup"
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
        return Finding(Level.BAD, "packages", "; ".join(wrong), "make setup, or install these versions with pip")
    return Finding(Level.OK, "packages", f"{DISTRIBUTION} {version(DISTRIBUTION)} and its requirements")


def _spaces(settings: Settings) -> Iterator[Finding]:
    """The free space of each file system that we write to, and folders that cannot be written."""
    folders = {
        "ASSESS_HOME": settings.home,
        "ASSESS_HOT_STORE": _hot_file(settings).parent,
        **{
            f"ASSESS_{name.upper()}": Path(place)
            for name, place in (("lake", settings.lake), ("log", settings.log), ("exhausts", settings.exhausts))
            if "://" not in place
        },
    }
    seen = set[int]()
    for setting, folder in folders.items():
        place = _nearest(folder)
        if not place.is_dir():
            yield Finding(Level.BAD, "folders", f"{setting}: {folder} cannot be created, because {place} is a file")
        elif place.stat().st_dev not in seen:
            seen.add(place.stat().st_dev)
            yield _space(setting, folder, shutil.disk_usage(place).free)


def _space(setting: str, folder: Path, free: int) -> Finding:
    message = f"{free / 1024**3:.1f} GiB free for {folder}"
    if free < _NONE:
        return Finding(Level.BAD, "free space", message, f"free some space, or name another folder in {setting}")
    if free < _LITTLE:
        return Finding(Level.WARN, "free space", message, "free some space before the next archive")
    return Finding(Level.OK, "free space", message)


def _home(home: Path) -> Iterator[Finding]:
    found = _writable("home folder", home)
    if found.level is Level.OK and not home.exists():
        message = f"{home} does not exist, so nothing is stored there"
        yield Finding(Level.WARN, "home folder", message, "assess demo creates one; or name yours with --home")
    else:
        yield found
    # this version creates private folders; these come from another program or an older version
    open_ones = [path for path in (home, home / "log", home / "lake", home / "exhausts") if _is_open(path)]
    if open_ones:
        message = f"other users of this machine can read {', '.join(map(str, open_ones))}; it holds personal data"
        yield Finding(Level.WARN, "privacy", message, f"chmod -R go= {shlex.quote(str(home))}")


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & _OTHERS)


def _writable(what: str, folder: Path) -> Finding:
    place = _nearest(folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding(Level.BAD, what, f"{folder} cannot be written", f"let this user write {place}")
    if place != folder:
        return Finding(Level.OK, what, f"{folder} does not exist yet; the first command that writes to it creates it")
    return Finding(Level.OK, what, str(folder))


def _nearest(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _failed(hot: HotStore) -> Iterator[Finding]:
    waiting = sum(1 for _ in hot.failed())
    if waiting:
        yield Finding(Level.WARN, "failed events", f"{waiting:,} are not resolved", "assess failed list")
    else:
        yield Finding(Level.OK, "failed events", "none")


def _requests(settings: Settings, now: int) -> Iterator[Finding]:
    """Requests for reports that no worker serves."""
    requests, rules = open_requests(settings), request_rules(settings)
    if waiting := unserved(ready_jobs(requests, rules, now), now, _STUCK):
        first = min(waiting, key=lambda job: job.created_at)
        message = f"{len(waiting):,} wait longer than {duration_text(_STUCK)}, the oldest {first.id} of {first.tag}"
        yield Finding(Level.WARN, "requests", message, "assess request work --follow, or assess up")
    else:
        open_ = sum(not entry.is_notice for entry in requests.queue())
        yield Finding(Level.OK, "requests", f"{open_:,} open, none is stuck")
    if late := [entry for entry in requests.queue() if entry.is_notice and entry.ready_at < now - _STUCK]:
        message = f"{len(late):,} notices of finished requests are not sent, the first is of {late[0].tag}"
        yield Finding(Level.WARN, "requests", message, "set ASSESS_NOTIFY for the workers, or assess request work")


def _tickets(lake: Lake, now: int) -> Iterator[Finding]:
    """Files that left the lake's table and take space only because tickets hold them."""
    tickets = list(lake.tickets.all())
    live = sum(ticket.state(now) is TicketStatus.LIVE for ticket in tickets)
    if not live:
        return
    pinned = lake.pin()
    current = {name_of(file, pinned) for file in pinned.files()}
    files, size = held_space(tickets, current, now)
    message = f"{live:,} hold {files:,} replaced files of the lake, {size / 1000**2:,.1f} MB"
    yield Finding(Level.OK, "tickets", message, "assess ticket release frees them" if files else None)


def _slices(settings: Settings, stores: Stores, now: int) -> Iterator[Finding]:
    views = pending_views(stores, now, settings.grace, stores.log.unread())
    if damaged := [view for view in views if view.has_failed]:
        message = f"{len(damaged):,} could not be verified, e.g. {damaged[0].note}"
        yield Finding(Level.BAD, "slices", message, "restore the lake's files, then assess verify --closed")
    waiting = {
        # a slice without rows was announced by a writer that ended before its first row
        ("closed and not archived", "assess archive --closed"): [
            view for view in views if Step.ARCHIVE in view.next_steps and view.status is SliceStatus.PLANNED
        ],
        ("archived and not verified", "assess verify --closed"): [
            view for view in views if Step.VERIFY in view.next_steps and not view.has_failed
        ],
        ("archived, and received rows since", "assess archive --closed, then verify and clear"): [
            view for view in views if Step.ARCHIVE in view.next_steps and view.status is SliceStatus.VERIFIED
        ],
        ("with a clear that did not end", "assess clear --closed"): [
            view for view in views if view.status is SliceStatus.CLEARING
        ],
    }
    for (what, action), found in waiting.items():
        if found:
            yield Finding(Level.WARN, "slices", f"{len(found):,} {what}, e.g. {found[0].slice}", action)
    if not damaged and not any(waiting.values()):
        yield Finding(Level.OK, "slices", f"{len(views):,}, none needs an action now")


def _switches(home: Path, env: Mapping[str, str]) -> Iterator[Finding]:
    folder = Path(env.get("DAGSTER_HOME") or home / "dagster")
    if not folder.is_dir():
        yield Finding(Level.OK, "Dagster", f"{folder} does not exist; `assess up` creates it and starts Dagster")
        return
    found = read_switches({**env, "DAGSTER_HOME": str(folder)})
    # whether rows are dropped by rule is a decision, so its schedule may be off
    off = [switch for switch in found if not switch.on and switch.name != "retain_weekly"]
    for switch in off:
        action = "turn it on while Dagster runs: assess housekeeping on"
        yield Finding(Level.WARN, "Dagster", f"the {switch.kind} {switch.name} is off: {switch.does}", action)
    if not off:
        yield Finding(Level.OK, "Dagster", "all schedules and sensors are on")
