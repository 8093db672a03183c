"""Stores with tickets of reports, and what happens to them afterwards."""

import shutil
from pathlib import Path
from typing import NamedTuple

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.moments import DAY
from assess_core.domain.report_formats import ROW_FORMATS, Format, Password
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive
from assess_core.usecases.compacting import compact, vacuum, weeks_worth_it
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.sealing import NewTicket
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, version
from tests.lakes import asked, keep, stores_over
from tests.loop import NOW, put_away
from tests.report_files import PASSWORD

WISH = NewTicket(365 * DAY, lambda: NOW)
FIRST = [
    *(
        version(user_id=f"u{n}", answers=[answer(score=float(n % 3)), answer("q2", score=float(n % 2))])
        for n in range(12)
    ),
    version(user_id="u1", received=RECEIVED + WEEK, attempted=ATTEMPTED + WEEK),
    version(user_id="u2", attempt_id="t2", received=RECEIVED + WEEK),
]
LATE = [
    version(user_id="u1", attempted=ATTEMPTED + 2 * WEEK, received=RECEIVED + WEEK + 1, answers=[answer(score=2.0)]),
    version(user_id="u0", attempt_id="t9", received=RECEIVED + 2),
    version(user_id="new", received=RECEIVED + WEEK + 3),
]


def with_first(folder: Path) -> Stores:
    """The first attempts: half of them in two files of the lake, the others in the hot store."""
    stores = stores_over(MemoryHot(), folder)
    for part in (FIRST[:3], FIRST[3:6]):
        keep(stores.hot, part)
        archive(stores.hot.slices(), stores, NOW)
    put_away(stores)
    keep(stores.hot, FIRST[6:])
    return stores


def copy_of_first(template: Path, folder: Path) -> Stores:
    """Like `with_first`, from a folder that it filled."""
    shutil.copytree(template / "lake", folder / "lake")
    stores = stores_over(MemoryHot(), folder)
    keep(stores.hot, FIRST[6:])
    return stores


def with_ticket(stores: Stores, spec: ReportSpec, password: Password | None = None) -> tuple[str, bytes]:
    """The id of the ticket, and the bytes of the report."""
    written = write_exhaust(stores, spec, password=password, ticket=WISH)
    assert written.sidecar.ticket is not None
    return written.sidecar.ticket, Path(written.path).read_bytes()


def afterwards(stores: Stores) -> None:
    """Late events, archive, verify, clear, compaction, vacuum."""
    keep(stores.hot, LATE)
    assert put_away(stores) == len(FIRST[6:]) + len(LATE)
    assert compact(weeks_worth_it(stores.lake), stores.lake, NOW)
    vacuum(stores.lake, NOW, retain=0)


SPECS = [
    *(asked("b1", report) for report in Report),
    *(asked("b1", Report.RESPONSE, format_) for format_ in ROW_FORMATS if format_ is not Format.CSV),
    ReportSpec(report=Report.SCORE, batch_pattern="b*"),
]


def replaced_files(stores: Stores) -> set[Path]:
    """Compacts all weeks; returns the files that left the table."""
    before = {Path(file.url) for file in stores.lake.pin().files()}
    compact(weeks_worth_it(stores.lake), stores.lake, NOW)
    return before - {Path(file.url) for file in stores.lake.pin().files()}


class Aged(NamedTuple):
    """Stores long after their tickets were made."""

    stores: Stores
    made: dict[ReportSpec, tuple[str, bytes]]
    """The id of the ticket, and the bytes of the report."""
    encrypted: str
    """The ticket of an encrypted score report."""
    of_one_learner: str
    """The ticket of a score report of learner u1."""


def aged_stores(folder: Path) -> Aged:
    """Makes a ticket for each of `SPECS` and others, then changes the stores."""
    stores = with_first(folder)
    made = {spec: with_ticket(stores, spec) for spec in SPECS}
    encrypted, _ = with_ticket(stores, asked("b1", Report.SCORE, Format.ZIP), Password(PASSWORD))
    of_one_learner, _ = with_ticket(stores, asked("b1", Report.SCORE, learner="u1"))
    afterwards(stores)
    return Aged(stores, made, encrypted, of_one_learner)
