"""Use cases: the findings about what the stores hold, and what waits for a command."""

from collections.abc import Iterator
from typing import Final

from assess_core.domain.counts import counted
from assess_core.domain.moments import MINUTE, duration_text
from assess_core.domain.report_jobs import Rules
from assess_core.domain.report_queue import unserved
from assess_core.domain.slice_status import SliceStatus, Step
from assess_core.domain.tickets import TicketStatus, held_space
from assess_core.errors import OtherLake
from assess_core.ports.findings import Finding, Level
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, name_of
from assess_core.ports.pinning import pin_needed
from assess_core.ports.requests import Requests
from assess_core.ports.stores import Stores
from assess_core.usecases.applying import unfinished
from assess_core.usecases.corrections_in_force import all_entered
from assess_core.usecases.pending import pending_views
from assess_core.usecases.registering import differing
from assess_core.usecases.report_work import ready_jobs

_STUCK: Final = 10 * MINUTE


def failed_events(hot: HotStore) -> Iterator[Finding]:
    """Failed events that are not resolved."""
    waiting = sum(1 for _ in hot.failed())
    if waiting:
        yield Finding(
            Level.WARN, "failed events", f"{counted(waiting, 'is', 'are')} not resolved", "assess failed list"
        )
    else:
        yield Finding(Level.OK, "failed events", "none")


def requests(store: Requests, rules: Rules, now: int) -> Iterator[Finding]:
    """Requests for reports that no worker serves, and notices that are not sent. `now` is in ms."""
    if waiting := unserved(ready_jobs(store, rules, now), now, _STUCK):
        first = min(waiting, key=lambda job: job.created_at)
        message = (
            f"{counted(len(waiting), 'waits', 'wait')} longer than {duration_text(_STUCK)}, the "
            f"oldest {first.id} of {first.tag}"
        )
        yield Finding(Level.WARN, "requests", message, "assess request work --follow, or assess up")
    else:
        open_ = sum(not entry.is_notice for entry in store.queue())
        yield Finding(Level.OK, "requests", f"{open_:,} open, none is stuck")
    if late := [entry for entry in store.queue() if entry.is_notice and entry.ready_at < now - _STUCK]:
        message = f"{counted(len(late), 'notice')} of finished requests not sent, the first of {late[0].tag}"
        yield Finding(Level.WARN, "requests", message, "set ASSESS_NOTIFY for the workers, or assess request work")


def tickets(lake: Lake, now: int) -> Iterator[Finding]:
    """Files that left the lake's table and take space only because tickets hold them. `now` is in ms."""
    kept = list(lake.tickets.all())
    live = sum(ticket.state(now) is TicketStatus.LIVE for ticket in kept)
    if not live:
        return
    pinned = lake.pin()
    current = {name_of(file, pinned) for file in (*pinned.files(), *lake.pin_scores().files())}
    files, size = held_space(kept, current, now)
    message = (
        f"{counted(live, 'holds', 'hold')} {counted(files, 'replaced file')} of the lake, {size / 1000**2:,.1f} MB"
    )
    yield Finding(Level.OK, "tickets", message, "assess ticket release frees them" if files else None)


def slices(stores: Stores, now: int, grace: int) -> Iterator[Finding]:
    """Slices that wait for a step, or could not be verified. `now` and `grace` are in ms."""
    try:
        pin_needed(stores.hot, stores.lake)
    except OtherLake as error:
        yield Finding(Level.BAD, "slices", str(error), error.action)
        return
    views = pending_views(stores, now, grace, stores.log.unread())
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


def corrections(stores: Stores) -> Iterator[Finding]:
    """Corrections whose command was interrupted."""
    only_lake, only_hot = differing(stores.hot, stores.lake)
    if missing := {record.id for record in (*only_lake, *only_hot)}:
        message = f"{counted(len(missing), 'decision is', 'decisions are')} in one store only, e.g. {min(missing)}"
        yield Finding(Level.WARN, "corrections", message, "type the interrupted command again, or assess rebuild")
    waiting = unfinished(stores.hot)
    for one in waiting:
        id_, command = one.decided.id, "apply" if one.reverted is None else "revert"
        message = f"stored scores do not follow all of {id_} yet; answers and reports do"
        action = f"type assess correct {command} again; assess correct list --json shows {id_}"
        yield Finding(Level.WARN, "corrections", message, action)
    if not missing and not waiting:
        in_force = sum(one.reverted is None for one in all_entered(stores.hot.register))
        yield Finding(Level.OK, "corrections", f"{in_force:,} in force")
