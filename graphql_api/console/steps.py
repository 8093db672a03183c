"""What archive, verify, clear and restore did in the last days, whoever started them."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Resource
from assess_core.domain.moments import DAY
from graphql_api.console import pages
from graphql_api.console.asking import ask_operating
from graphql_api.gate import caller_of, require_allowed

PATH: Final = "/console/steps"
DAYS: Final = 7
ROWS: Final = 100


async def page(request: Request) -> Response:
    """The steps of the last days: how many slices by day, and the newest one by one."""
    require_allowed(request, Resource())
    found = await ask_operating(request, lambda operating: operating.steps(operating.now() - DAYS * DAY, ROWS))
    return pages.page("steps.html", caller_of(request), PATH, steps=found, days=DAYS, rows=ROWS)
