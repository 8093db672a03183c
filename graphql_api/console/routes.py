"""The paths of the console. Each page asks the same use cases as GraphQL, in the same lanes."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from assess_core.errors import AssessError
from graphql_api.bodies import BadBody
from graphql_api.console import (
    batches,
    corrections,
    failed,
    findings,
    holds,
    learners,
    pages,
    reports,
    session,
    slices,
    start,
    steps,
)
from graphql_api.console.forms import fields_of, require_own
from graphql_api.gate import caller_of

_Page = Callable[[Request], Awaitable[Response]]
_SEE_OTHER: Final = 303
_log = logging.getLogger(__name__)


def routes() -> list[BaseRoute]:
    """The pages, their style sheet, and what their forms send."""
    return [
        _shown("/", start.page),
        _shown(batches.PATH, batches.page),
        _shown(batches.ONE, batches.one),
        _shown(batches.OVERVIEW, batches.overview),
        _shown(learners.PATH, learners.page),
        _shown(learners.EXPLAIN, learners.explain),
        _shown(reports.PATH, reports.page),
        Route(f"{reports.PATH}/submit", partial(_answer, reports.submit), methods=["POST"]),
        Route(f"{reports.PATH}/cancel", partial(_answer, reports.cancel), methods=["POST"]),
        _shown(slices.PATH, slices.page),
        _shown(slices.ONE, slices.one),
        _shown(steps.PATH, steps.page),
        _shown(corrections.PATH, corrections.page),
        _shown(failed.PATH, failed.page),
        Route(f"{failed.PATH}/replay", partial(_answer, failed.replay), methods=["POST"]),
        _shown(findings.PATH, findings.page),
        _shown(holds.PATH, holds.page),
        Route("/console/style.css", _style, methods=["GET"]),
        Route("/console/sign-in", partial(_answer, _sign_in), methods=["GET", "POST"]),
        Route("/console/sign-out", partial(_answer, _sign_out), methods=["POST"]),
    ]


def _shown(path: str, page: _Page) -> Route:
    return Route(path, partial(_answer, page), methods=["GET"])


async def _answer(page: _Page, request: Request) -> Response:
    """The page, or one that says why there is none. A form must come from this console."""
    path, caller = request.scope["path"], caller_of(request)
    try:
        if request.method == "POST":
            require_own(request)
        return await page(request)
    except BadBody as error:
        return pages.refused(path, error.status, str(error), caller)
    except AssessError as error:
        if error.status >= 500:
            _log.warning("%s", error)
        return pages.refused(path, error.status, str(error), caller)


async def _style(_request: Request) -> Response:
    return FileResponse(pages.STYLE, media_type="text/css", headers={"cache-control": "public, max-age=3600"})


async def _sign_in(request: Request) -> Response:
    if request.method != "POST":
        return pages.page("sign_in.html", None, request.scope["path"], message="")
    token = (await fields_of(request)).get("token", "").strip()
    if not session.may_be_token(token):
        message = "that is not a token; copy it without quotes and without the word Bearer"
        return pages.page("sign_in.html", None, request.scope["path"], 400, message=message)
    return session.sign_in(request, RedirectResponse("/", _SEE_OTHER), token)


async def _sign_out(request: Request) -> Response:
    return session.sign_out(request, RedirectResponse("/console/sign-in", _SEE_OTHER))
