"""`python -m assess_assets.switches`: each schedule and sensor, and whether it is on, as one JSON object per line.

`assess doctor` runs this; Dagster need not run.
"""

import json
from collections.abc import Iterator

import dagster as dg

from assess_assets.definitions import defs


def switches(instance: dg.DagsterInstance) -> Iterator[dict[str, object]]:
    """Name, kind, state and description of each schedule and sensor."""
    states = {state.instigator_name: state.status.value for state in instance.all_instigator_state()}
    for each in (*(defs.schedules or ()), *(defs.sensors or ())):
        assert isinstance(each, dg.ScheduleDefinition | dg.SensorDefinition)
        state = states.get(each.name, "DECLARED_IN_CODE")
        yield {
            "name": each.name,
            "kind": "schedule" if isinstance(each, dg.ScheduleDefinition) else "sensor",
            "on": state == "RUNNING" or (state == "DECLARED_IN_CODE" and each.default_status.value == "RUNNING"),
            "does": (each.description or "").strip(),
        }


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        for switch in switches(instance):
            print(json.dumps(switch))
