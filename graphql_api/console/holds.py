"""The holds that are in force, and the orders to erase learners. Both are entered on the command line."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Resource
from graphql_api.console import pages
from graphql_api.console.asking import ask_operating
from graphql_api.gate import caller_of, require_allowed

PATH: Final = "/console/holds"
ORDERS: Final = 200


async def page(request: Request) -> Response:
    """The holds in force, and the newest orders; both oldest first."""
    require_allowed(request, Resource())
    holds, erasures = await ask_operating(request, lambda operating: (operating.holds(), operating.erasures(ORDERS)))
    return pages.page("holds.html", caller_of(request), PATH, holds=holds, erasures=erasures)
