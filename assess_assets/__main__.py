"""`python -m assess_assets [--dagster URL] [--wait] [FIRST [LAST]]`: what `assess backfill` runs."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import dagster as dg

from assess_assets.automation import MAX_GAP
from assess_assets.backfill import Dagster
from assess_assets.registration import Range, ranges
from assess_assets.resources import Lakehouse
from assess_core.domain.counts import counted
from assess_core.errors import AssessError, BadSlice
from assess_core.usecases.pending import pending_views

_INTERVAL = 5.0  # seconds between two requests for the state of a backfill


def main(arguments: Sequence[str], notify: Callable[[str], None], lakehouse: Lakehouse | None = None) -> int:
    """Start one backfill; returns the exit code."""
    parser = argparse.ArgumentParser(prog="assess backfill")
    parser.add_argument("--dagster", default="http://127.0.0.1:3000")
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("first", nargs="?")
    parser.add_argument("last", nargs="?")
    asked = parser.parse_args(arguments)
    try:
        return _backfill(asked, notify, lakehouse or Lakehouse())
    except AssessError as error:
        notify(f"assess: {error}")
        return error.exit_code
    except dg.Failure as error:  # an error that only a person can resolve
        notify(f"assess: {error.description}")
        return error.__cause__.exit_code if isinstance(error.__cause__, AssessError) else 1


def _backfill(asked: argparse.Namespace, notify: Callable[[str], None], lakehouse: Lakehouse) -> int:
    dagster = Dagster(asked.dagster)
    registered = dagster.registered()
    wanted = chosen(registered, asked.first, asked.last) if asked.first else needed(registered, lakehouse)
    if not wanted:
        notify("no registered slice needs a step; the sensor register_slices_and_batches registers closed slices")
        return 0
    slices = sum(len(each.keys(registered)) for each in wanted)
    backfill = dagster.backfill(wanted, f"archive, verify and clear {counted(slices, 'slice')}")
    notify(f"started a backfill of {counted(slices, 'slice')}: {dagster.url}/runs/b/{backfill}")
    while asked.wait:
        state = dagster.state(backfill)
        if state.has_ended:
            notify(f"{state.status}: {state.done} of {state.targeted} done, {state.failed} failed")
            return 0 if state.succeeded else 1
        time.sleep(_INTERVAL)
    return 0


def chosen(registered: Sequence[str], first: str, last: str | None) -> list[Range]:
    """The registered range from `first` to `last`, or `first` alone if `last` is None. Raises `BadSlice`."""
    last = last or first
    for key in (first, last):
        if key not in registered:
            raise BadSlice(f"{key!r} is not registered; `assess slices` shows what it waits for")
    if registered.index(first) > registered.index(last):
        raise BadSlice(f"{first!r} comes after {last!r}; the order is by week, then batch")
    return [Range(first, last)]


def needed(registered: Sequence[str], lakehouse: Lakehouse) -> list[Range]:
    """The ranges that contain every registered slice that needs to be archived, verified or cleared."""
    with lakehouse.open() as opened:
        views = pending_views(opened.stores, opened.now, opened.settings.grace, opened.unread)
    wanted = {str(view.slice) for view in views if view.needs_archive or view.needs_clear}
    return ranges(registered, wanted, gap=MAX_GAP)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, file=sys.stderr)))
