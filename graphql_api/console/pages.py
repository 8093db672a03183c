"""Renders a page of the console: one set of templates, one style sheet, and a policy that allows nothing else."""

import json
import shlex
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from assess_core.domain.access import Action, Caller, Resource, denial_of, may_ever
from assess_core.domain.counts import counted
from assess_core.domain.moments import iso

ROOT: Final = "/console/"
START: Final = "/"
_FOLDER: Final = Path(__file__).parent
STYLE: Final = _FOLDER / "style.css"
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": _POLICY,
    "cache-control": "no-store",
    # with no-referrer a browser sends `Origin: null` with the forms of a page, and they would be refused
    "referrer-policy": "same-origin",
}


class _Link(NamedTuple):
    """A page in the navigation."""

    path: str
    title: str
    action: Action
    is_about_all: bool = False
    """Whether the page, as the link opens it, is about all batches and learners."""

    def is_for(self, caller: Caller) -> bool:
        """Whether the caller can use the page."""
        if self.is_about_all:
            return denial_of(caller, self.action, Resource()) is None
        return may_ever(caller, self.action)


_LINKS: Final = (
    _Link(START, "Start", Action.DESCRIBE),
    _Link("/console/batches", "Batches", Action.READ_BATCH),
    _Link("/console/learners", "Learners", Action.READ_SCORES),
    _Link("/console/reports", "Reports", Action.REQUEST_REPORTS),
    _Link("/console/slices", "Slices", Action.READ_SLICES, is_about_all=True),
    _Link("/console/steps", "Steps", Action.AUDIT),
    _Link("/console/corrections", "Corrections", Action.AUDIT),
    _Link("/console/failed", "Failed events", Action.READ_FAILED),
    _Link("/console/findings", "Findings", Action.MONITOR),
    _Link("/console/holds", "Holds and erasures", Action.READ_FAILED),
)


def is_page(path: str) -> bool:
    """Whether a path belongs to the console."""
    return path == START or path.startswith(ROOT)


def page(template: str, caller: Caller | None, path: str, status: int = 200, **values: object) -> Response:
    """A page. `caller` is None if nobody signed in; `path` marks its link in the navigation."""
    links = [link for link in _LINKS if caller is not None and link.is_for(caller)]
    text = _environment().get_template(template).render(links=links, path=path, caller=caller, **values)
    # half of a surrogate pair cannot be sent
    return Response(text.encode(errors="replace"), status, HEADERS, "text/html")


def refused(path: str, status: int, message: str, caller: Caller | None = None) -> Response:
    """A page that says why there is nothing to show. A client without a valid token gets the form to sign in."""
    if status == HTTPStatus.UNAUTHORIZED:
        return page("sign_in.html", None, path, status, message=message)
    title = HTTPStatus(status).phrase
    return page("error.html", caller, path, status, title=title, message=message)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "counted": counted,
        "number": lambda value: f"{value:,.2f}".rstrip("0").rstrip("."),
        "moment": lambda at: iso(at)[:16].replace("T", " ") if at else "–",
        "shell": shlex.quote,
        "graphql": lambda value: json.dumps(value, ensure_ascii=False),
    }
    return environment
