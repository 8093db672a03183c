"""The findings of `assess doctor`: what is wrong, and what to type."""

from collections.abc import Sequence
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Resource
from assess_core.errors import BadRequest
from assess_core.ports.findings import Finding, Level
from assess_core.usecases.examining import Examined, Examiner
from graphql_api.console import pages
from graphql_api.gate import caller_of, require_allowed

PATH: Final = "/console/findings"
WAIT: Final = 5.0
"""Seconds for checks that run: without Dagster, they take less than one if every store answers."""
_POLL: Final = 0.05  # seconds
_WORST_FIRST: Final = {Level.BAD: 0, Level.WARN: 1, Level.OK: 2}


async def page(request: Request) -> Response:
    """The findings that are there, the worst first. Checks that still run are not waited for longer than `WAIT`."""
    require_allowed(request, Resource())
    examiner: Examiner | None = request.app.state.examiner
    if examiner is None:
        raise BadRequest("this server runs no checks; type assess doctor, or start the server with `assess api`")
    examined = await _newest(examiner)
    needed, fine = split(examined.findings)
    return pages.page(
        "findings.html", caller_of(request), PATH, examined=examined, needed=needed, fine=fine, levels=Level
    )


async def _newest(examiner: Examiner) -> Examined:
    with anyio.move_on_after(WAIT):
        while not (examined := examiner.newest()).is_complete:
            await anyio.sleep(_POLL)
    return examined


def split(findings: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """The findings that need an action, the worst first, and the others, both in the order of the checks."""
    ordered = sorted(findings, key=lambda finding: _WORST_FIRST[finding.level])
    fine = [finding for finding in ordered if finding.level is Level.OK]
    return ordered[: len(ordered) - len(fine)], fine
