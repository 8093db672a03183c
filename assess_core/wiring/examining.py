"""Checks everything that the settings name: `assess doctor` and the console show the findings."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Protocol

from assess_core.errors import AssessError
from assess_core.ports.facts import NoFacts
from assess_core.ports.findings import Finding, Level
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake
from assess_core.ports.log import Log, Position, Positions
from assess_core.ports.reports import Exhausts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings, unknown_settings
from assess_core.usecases import store_findings
from assess_core.wiring import (
    hot_schema,
    open_exhausts,
    open_facts,
    open_hot,
    open_lake,
    open_log,
    open_requests,
    request_rules,
    source_findings,
    stores_of,
)

_STORES: Final = ("hot store", "lake", "log", "exhausts")


def examine(
    settings: Settings, env: Mapping[str, str], now: int, notify: Callable[[str], None], opened: Stores | None = None
) -> Iterator[Finding]:
    """All findings, one check after the other; `now` in epoch ms. Raises no `AssessError`, creates no file.

    `opened`: the stores of these settings, if the process has them open.
    """
    from assess_core.adapters.machine import folders, packages

    yield packages.python()
    yield packages.packages()
    for sentence, action in unknown_settings(env):
        yield Finding(Level.WARN, "settings", sentence, action)
    yield from folders.home(settings.home)
    yield from folders.spaces(_folders(settings))
    stores = _Opened(settings)
    checks: dict[str, Callable[[], _Examined]] = {
        "hot store": lambda: (opened or stores).hot,
        "lake": lambda: (opened or stores).lake,
        "log": lambda: (opened or stores).log,
        "exhausts": lambda: (opened or stores).exhausts,
    }
    hot_file = _missing_hot_file(settings)
    if hot_file is not None:
        yield from _guarded("hot store", lambda: _no_hot_file(settings, hot_file))
        del checks["hot store"]  # opening it would create it
        if "://" not in settings.log:
            del checks["log"]  # its positions are in that file
            yield folders.writable("log", Path(settings.log))
    bad = set[str]()
    for what, store in checks.items():
        for finding in _guarded(what, partial(_examine, store)):
            if finding.level is Level.BAD:
                bad.add(what)
            yield finding
    yield from _guarded("API", lambda: source_findings.api(settings))
    yield from _guarded("facts", partial(_examine, lambda: open_facts(settings.facts, notify) or NoFacts()))
    yield from _guarded("names", lambda: source_findings.names(settings))
    yield from _guarded("grants", lambda: source_findings.grants(settings))
    yield from _guarded("notices", lambda: source_findings.notices(settings))
    yield from _guarded("schedules", lambda: source_findings.schedules(settings))
    yield from _guarded("retention", lambda: source_findings.retention(settings))
    if hot_file is None:
        yield from _what_is_stored(settings, now, opened, stores, bad)
    yield from _guarded("Dagster", lambda: source_findings.dagster(settings.home, env))


def _what_is_stored(
    settings: Settings, now: int, opened: Stores | None, stores: "_Opened", bad: Collection[str]
) -> Iterator[Finding]:
    """The findings about what the stores hold. A check that needs a store with a bad finding says so instead."""

    def together() -> Stores:
        return opened or stores.together()

    def hot() -> HotStore:
        return (opened or stores).hot

    checks: dict[str, tuple[Collection[str], Callable[[], Iterator[Finding]]]] = {
        "failed events": (["hot store"], lambda: store_findings.failed_events(hot())),
        "erasures": (["hot store"], lambda: source_findings.erasures(settings, hot())),
        "requests": (
            ["hot store"],
            lambda: store_findings.requests(open_requests(settings), request_rules(settings), now),
        ),
        "tickets": (["lake"], lambda: store_findings.tickets((opened or stores).lake, now)),
        "slices": (_STORES, lambda: store_findings.slices(together(), now, settings.grace)),
        "corrections": (_STORES, lambda: store_findings.corrections(together())),
    }
    for what, (needed, findings) in checks.items():
        if missing := [store for store in needed if store in bad]:
            yield Finding(
                Level.WARN, what, f"not checked: {' and '.join(missing)} cannot be read", "resolve that first"
            )
        else:
            yield from _guarded(what, findings)


def _no_hot_file(settings: Settings, file: Path) -> Iterator[Finding]:
    from assess_core.adapters.machine import folders

    hot_schema(settings)  # reads the options of the URL
    action = "assess ingest EVENTS, or assess demo; if there should be data, check --home and ASSESS_HOT_STORE"
    found = folders.writable("hot store", file.parent)
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


def _folders(settings: Settings) -> dict[str, Path]:
    """The folder of each setting that names one."""
    places = {"ASSESS_LAKE": settings.lake, "ASSESS_LOG": settings.log, "ASSESS_EXHAUSTS": settings.exhausts}
    return {
        "ASSESS_HOME": settings.home,
        "ASSESS_HOT_STORE": _hot_file(settings).parent,
        **{name: Path(place) for name, place in places.items() if "://" not in place},
    }


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
