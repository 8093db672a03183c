"""What the one switch for the weekly work says, and which switches it turns."""

import subprocess
import sys

import dagster as dg
import pytest

from assess_assets.definitions import defs
from assess_assets.housekeeping import HOUSEKEEPING, Switch, main, summary
from assess_core.errors import StoreUnavailable


def a_switch(name: str, on: bool) -> Switch:
    return Switch(name, "sensor", on, "", {})


@pytest.mark.parametrize(
    ("on", "begins"),
    [
        (HOUSEKEEPING, "housekeeping is on: "),
        ((), "housekeeping is off (the default): "),
        (HOUSEKEEPING[1:], "housekeeping is on in part; off: archive_closed_weeks; "),
    ],
)
def test_the_summary_says_what_is_on_and_which_command_changes_it(on: tuple[str, ...], begins: str) -> None:
    sentence = summary([a_switch(name, name in on) for name in HOUSEKEEPING])

    assert sentence.startswith(begins)
    assert "`assess housekeeping o" in sentence


def test_housekeeping_is_every_schedule_and_sensor_that_is_off_from_the_start() -> None:
    off = set()
    for each in (*(defs.schedules or ()), *(defs.sensors or ())):
        assert isinstance(each, dg.ScheduleDefinition | dg.SensorDefinition)
        if each.default_status.value == "STOPPED":
            off.add(each.name)

    assert off == set(HOUSEKEEPING)


def test_without_dagster_the_message_says_how_to_start_it() -> None:
    lines: list[str] = []

    assert main(["on", "--dagster", "http://127.0.0.1:9"], lines.append, lines.append) == StoreUnavailable.exit_code
    assert "`assess up` runs it" in lines[0]


def test_the_switch_does_not_import_dagster_which_takes_a_second() -> None:
    imported = "import sys, assess_assets.housekeeping; print('dagster' in sys.modules)"

    assert subprocess.check_output([sys.executable, "-c", imported]) == b"False\n"
