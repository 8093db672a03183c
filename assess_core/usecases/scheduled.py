"""Use case: write the files of a scheduled report, one for each batch. A repeated run of a day changes nothing."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.completeness import SIDECAR_ENDING, Sidecar
from assess_core.domain.report_spec import ReportSpec
from assess_core.domain.schedules import Schedule, Schedules
from assess_core.errors import AssessError, BadRequest, LinkExpired, UnknownBatch
from assess_core.ports.reports import Exhausts
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import StoredOutput, file_name, matching_batches, write_exhaust

_NAMED: Final = 20
"""Schedules that a message names."""


class State(StrEnum):
    """What a run did for a batch."""

    WRITTEN = "written"
    THERE = "already there"
    NOTHING = "nothing to write"
    FAILED = "failed"


class ScheduledReport(NamedTuple):
    """What a run did for one batch of a schedule, or for a schedule without batches."""

    schedule: str
    batch_id: str | None
    state: State
    path: str | None
    rows: int | None
    message: str | None
    """Why nothing was written, and what to do."""


def chosen_schedules(schedules: Schedules, names: Collection[str], now: int) -> Sequence[Schedule]:
    """The schedules with these names; without names, those that are due at this moment. Raises `BadRequest`."""
    known = {entry.name: entry for entry in schedules.entries}
    if unknown := [name for name in names if name not in known]:
        listed = ", ".join(list(known)[:_NAMED]) or "no valid entry"
        raise BadRequest(f"no valid schedule is named {unknown[0][:60]!r}; {schedules.file} has {listed}")
    return [known[name] for name in names] if names else [entry for entry in schedules.entries if entry.is_due(now)]


def run_schedule(stores: Stores, schedule: Schedule, now: int, *, again: bool = False) -> Iterator[ScheduledReport]:
    """Write the reports of the day (UTC) of this moment, and yield what was done for each batch.

    A file that this day has already is not written again, unless `again`. If a report cannot be written, the others
    still are. Raises only errors that a later run may not have, such as `StoreUnavailable`.
    """
    try:
        of_run = schedule.spec_at(now)
        batches = matching_batches(stores, of_run)
    except UnknownBatch as error:
        yield ScheduledReport(schedule.name, None, State.NOTHING, None, None, str(error))
        return
    for batch_id in batches:
        spec = msgspec.structs.replace(of_run, batches=(batch_id,), batch_pattern=None)
        name = f"{schedule.folder(now)}/{file_name(spec)}"
        there = None if again else _there(stores.exhausts, name, spec)
        if there is not None:
            path = stores.exhausts.path(name)
            yield ScheduledReport(schedule.name, batch_id, State.THERE, path, there.rows, None)
            continue
        try:
            written = write_exhaust(stores, spec, StoredOutput(stores.exhausts, name))
        except AssessError as error:
            if error.retryable:
                raise
            yield ScheduledReport(schedule.name, batch_id, State.FAILED, None, None, str(error))
        else:
            yield ScheduledReport(schedule.name, batch_id, State.WRITTEN, written.path, written.rows, None)


def _there(exhausts: Exhausts, name: str, spec: ReportSpec) -> Sidecar | None:
    """The sidecar of a complete report of this spec; None if there is none, or if a file is not the one it proves."""
    try:
        sidecar = msgspec.json.decode(b"".join(exhausts.read(name + SIDECAR_ENDING).chunks), type=Sidecar)
        if not sidecar.complete or sidecar.spec != msgspec.json.decode(msgspec.json.encode(spec)):
            return None
        folder = name.rpartition("/")[0]
        expected = {name: sidecar.sha256} | {f"{folder}/{each.file}": each.sha256 for each in sidecar.pictures}
        proved = all(_sha256(exhausts, file) == digest for file, digest in expected.items())
    except (LinkExpired, msgspec.DecodeError):
        return None
    return sidecar if proved else None


def _sha256(exhausts: Exhausts, name: str) -> str:
    digest = hashlib.sha256()
    for chunk in exhausts.read(name).chunks:
        digest.update(chunk)
    return digest.hexdigest()
