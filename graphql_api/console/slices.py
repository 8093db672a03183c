"""Slices by week and status as a grid, and page by page with what each waits for."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Action, Resource, denial_of
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadRequest, UnknownBatch
from assess_core.usecases.queries import Queries
from graphql_api.console import pages
from graphql_api.console.asking import ask_operating
from graphql_api.gate import caller_of, require_allowed
from graphql_api.workers import ask_long

PATH: Final = "/console/slices"
ONE: Final = "/console/slice"
ROWS: Final = 50
"""Slices of a page."""
ENTRIES: Final = 50
"""Manifest entries of a slice, the newest."""
WEEKS: Final = 26
"""Weeks of the grid, the newest first; one more row counts all older weeks."""


class Row(NamedTuple):
    """A row of the grid: the number of slices by status."""

    week: str
    """Empty for all older weeks."""
    slices: tuple[int, ...]
    hot_rows: int


class _Asked(NamedTuple):
    batch: str
    week: IsoWeek | None
    status: SliceStatus | None
    after: ArchiveSlice | None

    def link(self, after: ArchiveSlice | None = None) -> str:
        """The address of the page with these filters."""
        given = {"batch": self.batch, "week": self.week, "status": self.status, "after": after}
        return f"{PATH}?{urlencode({name: str(value) for name, value in given.items() if value})}"


class _Found(NamedTuple):
    views: list[SliceView]
    """At most `ROWS`."""
    has_next: bool
    grid: list[Row]


async def page(request: Request) -> Response:
    """The grid of the slices that can need a step, and a list; of one batch, the list has all slices."""
    asked = _asked(request)
    require_allowed(request, Resource(batch=asked.batch))
    found = await ask_long(request, lambda queries: _read(queries, asked))
    return pages.page(
        "slices.html",
        caller_of(request),
        PATH,
        asked=asked,
        found=found,
        statuses=list(SliceStatus),
        next_page=asked.link(found.views[-1].slice) if found.has_next else "",
        cell=lambda week, status: _Asked("", IsoWeek.parse(week), status, None).link(),
    )


async def one(request: Request) -> Response:
    """A slice: its state, what to type next, and for auditors its chain of manifest entries with their files."""
    slice_ = ArchiveSlice.parse(request.query_params.get("slice", ""))
    caller, resource = caller_of(request), Resource(batch=slice_.batch_id)
    require_allowed(request, resource)
    view = await ask_long(request, lambda queries: queries.slice(slice_))
    if view is None:
        raise UnknownBatch(f"no store knows the slice {slice_}; look for its batch on the page of slices")
    may_audit = denial_of(caller, Action.AUDIT, resource) is None
    chain = await ask_operating(request, lambda operating: operating.manifest(slice_, ENTRIES)) if may_audit else []
    files = next((entry.files for entry in reversed(chain) if entry.files), {})
    return pages.page("slice.html", caller, PATH, view=view, chain=chain, files=files, may_audit=may_audit)


def grid(views: Sequence[SliceView]) -> list[Row]:
    """The numbers of slices by week and status, the newest week first; the last row has all weeks before them."""
    by_week: dict[IsoWeek, list[SliceView]] = {}
    for view in views:
        by_week.setdefault(view.slice.week, []).append(view)
    weeks = sorted(by_week, reverse=True)
    rows = [_row(str(week), by_week[week]) for week in weeks[:WEEKS]]
    older = [view for week in weeks[WEEKS:] for view in by_week[week]]
    return [*rows, _row("", older)] if older else rows


def _row(week: str, views: Sequence[SliceView]) -> Row:
    counted = Counter(view.status for view in views)
    return Row(week, tuple(counted[status] for status in SliceStatus), sum(view.hot_rows for view in views))


def _read(queries: Queries, asked: _Asked) -> _Found:
    if asked.batch:
        views = queries.slice_page(batch_id=asked.batch, status=asked.status, first=ROWS + 1, after=asked.after)
        return _Found(views[:ROWS], len(views) > ROWS, [])
    waiting = queries.pending_slices()
    chosen = [
        view
        for view in waiting
        if asked.week in (None, view.slice.week)
        and asked.status in (None, view.status)
        and (asked.after is None or view.slice > asked.after)
    ]
    return _Found(chosen[:ROWS], len(chosen) > ROWS, grid(waiting))


def _asked(request: Request) -> _Asked:
    sent = request.query_params
    status, week, after = (sent.get(name, "").strip() for name in ("status", "week", "after"))
    if status and status not in list(SliceStatus):
        raise BadRequest(f"status: {status[:40]!r} is unknown; write one of {', '.join(SliceStatus)}")
    return _Asked(
        sent.get("batch", "").strip(),
        IsoWeek.parse(week[:20]) if week else None,
        SliceStatus(status) if status else None,
        ArchiveSlice.parse(after) if after else None,
    )
