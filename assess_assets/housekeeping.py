"""One switch for the weekly work: what `assess housekeeping` and `assess up --housekeeping` run.

It asks a running Dagster, as its UI does.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from assess_assets.dagster_client import DagsterClient
from assess_core.errors import AssessError, StoreUnavailable

HOUSEKEEPING: Final = ("archive_closed_weeks", "clear_verified_weeks", "watch_daily", "retire_cleared_slices")
"""The schedules and sensors that the switch turns. The others are on from the start, because they delete nothing."""
RETENTION: Final = "retain_weekly"
"""Its schedule is listed and turned off with the others, if there are rules. It drops rows for good, so only a person
turns it on, on Dagster's page *Automation*."""

_LIST: Final = """
{repositoriesOrError {... on RepositoryConnection {nodes {name location {name}
  schedules {name description scheduleState {id status}}
  sensors {name description sensorState {id status}}
}}}}
"""
_WITH: Final = "repositoryLocationName: $location, repositoryName: $repository"
_START: Final = "mutation($name: String!, $location: String!, $repository: String!) {answer: "
_TURN: Final = {
    ("schedule", True): f"{_START}startSchedule(scheduleSelector: {{{_WITH}, scheduleName: $name}}) {{__typename}}}}",
    ("sensor", True): f"{_START}startSensor(sensorSelector: {{{_WITH}, sensorName: $name}}) {{__typename}}}}",
    ("schedule", False): "mutation($id: String!) {answer: stopRunningSchedule(id: $id) {__typename}}",
    ("sensor", False): "mutation($id: String!) {answer: stopSensor(id: $id) {__typename}}",
}
_DONE: Final = {"ScheduleStateResult", "Sensor", "StopSensorMutationResult"}


class Switch(NamedTuple):
    """A schedule or sensor of a running Dagster."""

    name: str
    kind: str
    """schedule or sensor."""
    on: bool
    does: str
    """Its description."""
    selector: dict[str, str]
    """How Dagster finds it: `location` and `repository` to turn it on, `id` to turn it off."""


def switches(dagster: DagsterClient) -> list[Switch]:
    """The switches of `HOUSEKEEPING`, in that order, then that of `RETENTION`. Raises `StoreUnavailable`."""
    repositories = dagster.ask(_LIST)["repositoriesOrError"].get("nodes", [])
    found = {each.name: each for repository in repositories for each in _of(repository)}
    if missing := [name for name in HOUSEKEEPING if name not in found]:
        raise StoreUnavailable(
            f"Dagster at {dagster.url} has no {missing[0]}: it is still loading the code, or it runs other code; "
            "try again in a minute, or look at its page Deployment"
        )
    return [found[name] for name in (*HOUSEKEEPING, RETENTION) if name in found]


def _of(repository: dict[str, Any]) -> list[Switch]:
    place = {"location": repository["location"]["name"], "repository": repository["name"]}
    return [
        Switch(
            each["name"],
            kind,
            each[f"{kind}State"]["status"] == "RUNNING",
            (each["description"] or "").strip(),
            {**place, "id": each[f"{kind}State"]["id"]},
        )
        for kind in ("schedule", "sensor")
        for each in repository[f"{kind}s"]
    ]


def turn(dagster: DagsterClient, switch: Switch, on: bool) -> Switch:
    """The switch after it was turned on or off. Raises `StoreUnavailable`."""
    names = ("location", "repository") if on else ("id",)
    asked = {name: switch.selector[name] for name in names}
    answer = dagster.ask(_TURN[switch.kind, on], **asked, **({"name": switch.name} if on else {}))["answer"]
    if answer["__typename"] not in _DONE:
        raise StoreUnavailable(
            f"Dagster at {dagster.url} did not turn {switch.name} {'on' if on else 'off'} ({answer['__typename']}); "
            f"do it at {dagster.url}/automation"
        )
    return switch._replace(on=on)


def summary(found: Sequence[Switch]) -> str:
    """Whether housekeeping is on, and what to type to change that."""
    weekly = [switch for switch in found if switch.name != RETENTION]
    off = [switch.name for switch in weekly if not switch.on]
    if not off:
        return (
            "housekeeping is on: closed weeks are archived and verified on Tuesdays at 02:00 UTC, "
            "and cleared at 04:00; `assess housekeeping off` stops it"
        )
    if len(off) == len(weekly):
        return (
            "housekeeping is off (the default): no week is archived or cleared by itself; type `assess housekeeping on`"
        )
    return f"housekeeping is on in part; off: {', '.join(off)}; `assess housekeeping on` turns on the rest"


def main(arguments: Sequence[str], show: Callable[[str], None], notify: Callable[[str], None]) -> int:
    """Turn the switches or show them; returns the exit code."""
    parser = argparse.ArgumentParser(prog="assess housekeeping")
    parser.add_argument("action", choices=("on", "off", "status"))
    parser.add_argument("--dagster", default="http://127.0.0.1:3000")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true")
    shape.add_argument("--brief", action="store_true", help="only the last line")
    asked = parser.parse_args(arguments)
    dagster = DagsterClient(asked.dagster)
    try:
        found = switches(dagster)
        if asked.action != "status":
            wanted = asked.action == "on"
            stays = {RETENTION} if wanted else set()
            found = [each if each.on == wanted or each.name in stays else turn(dagster, each, wanted) for each in found]
    except AssessError as error:
        notify(f"assess: {error}")
        return error.exit_code
    if asked.json:
        show(json.dumps([{"name": each.name, "kind": each.kind, "on": each.on, "does": each.does} for each in found]))
        return 0
    if asked.action == "status" and not asked.brief:
        for each in found:
            show(f"{'on ' if each.on else 'off'}  {each.name}: {each.does}")
    show(summary(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], print, lambda text: print(text, file=sys.stderr)))
