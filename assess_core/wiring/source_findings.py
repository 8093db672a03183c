"""The findings about the sources that the settings name beside the stores, and about Dagster."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from assess_core.domain.counts import counted
from assess_core.domain.erasing import is_order
from assess_core.domain.register import Kind
from assess_core.errors import StoreUnavailable
from assess_core.ports.findings import Finding, Level
from assess_core.ports.hot_store import HotStore
from assess_core.settings import ApiSettings, Settings
from assess_core.usecases.erased import keys_in_use
from assess_core.wiring import days_left, open_keys, open_tokens, read_retention, read_schedules
from assess_core.wiring.grants import open_grants
from assess_core.wiring.names import open_names
from assess_core.wiring.notify import open_notifier

_RENEW_DAYS: Final = 14


def api(settings: Settings) -> Iterator[Finding]:
    """Who may use the API."""
    tokens = open_tokens(settings, lambda _text: None)  # a server that does not answer is a finding below
    if tokens is None:
        message = "has no keys: every client can do everything, so it listens only on this machine"
        yield Finding(Level.OK, "API", message)
    else:
        yield from tokens.examine()
    if settings.api.secret:
        message = "ASSESS_API_SECRET is for development: who can verify a token can also make one"
        yield Finding(Level.WARN, "API", message, "set ASSESS_API_KEYS instead")
    yield from _certificate(settings.api)


def names(settings: Settings) -> Iterator[Finding]:
    """The source of names."""
    source = open_names(settings)
    if source is None:
        yield Finding(Level.OK, "names", "ASSESS_NAMES is not set: reports show ids without names")
    else:
        yield from source.examine()


def grants(settings: Settings) -> Iterator[Finding]:
    """The source of grants."""
    source = open_grants(settings)
    if source is None:
        return
    yield from source.examine()
    if not settings.api.keys and not settings.api.secret:
        message = "ASSESS_GRANTS has no effect: without keys every client can do everything"
        yield Finding(Level.WARN, "grants", message, "set ASSESS_API_KEYS, or leave ASSESS_GRANTS out")


def notices(settings: Settings) -> Iterator[Finding]:
    """The place for notices. Nothing is sent."""
    notifier = open_notifier(settings)
    if notifier is not None:
        yield Finding(Level.OK, "notices", f"are sent to {notifier.about}")


def schedules(settings: Settings) -> Iterator[Finding]:
    """The file of scheduled reports."""
    found = read_schedules(settings)
    if found is None:
        yield Finding(Level.OK, "schedules", "ASSESS_SCHEDULES is not set: no report is scheduled")
        return
    yield Finding(Level.OK, "schedules", f"{len(found.entries):,} in {found.file}")
    for problem in found.described():
        yield Finding(Level.BAD, "schedules", problem, "correct the entry: it is not run")


def retention(settings: Settings) -> Iterator[Finding]:
    """The file of the rules of retention."""
    rules = read_retention(settings)
    message = "ASSESS_RETENTION is not set: nothing is dropped" if rules is None else counted(len(rules), "rule")
    yield Finding(Level.OK, "retention", message, "assess retain --dry-run shows what is due" if rules else None)


def erasures(settings: Settings, hot: HotStore) -> Iterator[Finding]:
    """The ring of keys under which erased learners are remembered."""
    keys = open_keys(settings)
    keys.all()  # raises if the file cannot be read
    orders = sum(map(is_order, hot.register.all(Kind.ERASURE)))
    if orders:
        keys_in_use(hot, keys)  # raises if the ring lacks one of them
        message = (
            f"{counted(orders, 'learner is', 'learners are')} erased; the keys are in "
            f"{settings.erasure_keys}: have it in your backups"
        )
        yield Finding(Level.OK, "erasures", message)


def dagster(home: Path, env: Mapping[str, str]) -> Iterator[Finding]:
    """Schedules and sensors that are off, in the Dagster whose home the environment names."""
    from assess_core.adapters.dagster.switches import read_switches

    folder = Path(env.get("DAGSTER_HOME") or home / "dagster")
    if not folder.is_dir():
        yield Finding(Level.OK, "Dagster", f"{folder} does not exist; `assess up` creates it and starts Dagster")
        return
    try:
        found = read_switches({**env, "DAGSTER_HOME": str(folder)})
    except StoreUnavailable as error:
        # not bad: on a server that runs only the API, nothing has the password of Dagster's database
        yield Finding(Level.WARN, "Dagster", str(error), "type assess doctor where Dagster runs")
        return
    # whether rows are dropped by rule is a decision, so its schedule may be off
    off = [switch for switch in found if not switch.on and switch.name != "retain_weekly"]
    for switch in off:
        action = "turn it on while Dagster runs: assess housekeeping on"
        yield Finding(Level.WARN, "Dagster", f"the {switch.kind} {switch.name} is off: {switch.does}", action)
    if not off:
        yield Finding(Level.OK, "Dagster", "all schedules and sensors are on")


def _certificate(api: ApiSettings) -> Iterator[Finding]:
    if not api.tls_cert:
        return
    days = days_left(api.tls_cert)
    if days < 0:
        yield Finding(Level.BAD, "API", f"the certificate {api.tls_cert} has expired", "renew it, then restart the API")
    elif days < _RENEW_DAYS:
        yield Finding(
            Level.WARN, "API", f"the certificate {api.tls_cert} expires in {counted(days, 'day')}", "renew it"
        )
    else:
        yield Finding(Level.OK, "API", f"the certificate {api.tls_cert} is valid for {counted(days, 'day')}")
