"""The switches of Dagster: which schedules and sensors are on."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import msgspec

from assess_core.errors import StoreUnavailable

# a separate process: a shell imports no other shell, and Dagster takes seconds to import
_COMMAND: Final = (sys.executable, "-P", "-W", "ignore", "-m", "assess_assets.switches")
_LIMIT: Final = 60  # seconds: to import Dagster takes 3, on a busy machine 15


class Switch(msgspec.Struct, frozen=True):
    """A schedule or sensor."""

    name: str
    kind: str
    """schedule or sensor."""
    on: bool
    does: str
    """Its description."""


def read_switches(env: Mapping[str, str]) -> list[Switch]:
    """The switches of the Dagster whose home the environment names. Raises `StoreUnavailable`."""
    try:
        done = subprocess.run(_COMMAND, env=dict(env), capture_output=True, timeout=_LIMIT, check=True)
        return [msgspec.json.decode(line, type=Switch) for line in done.stdout.splitlines()]
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
        raise StoreUnavailable(
            "the state of Dagster's schedules and sensors cannot be read; look at its page Automation"
        ) from error
