"""The holds that are in force. They are entered and released on the command line."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Resource
from graphql_api.console import pages
from graphql_api.console.asking import ask_operating
from graphql_api.gate import caller_of, require_allowed

PATH: Final = "/console/holds"


async def page(request: Request) -> Response:
    """The holds in force, oldest first."""
    require_allowed(request, Resource())
    found = await ask_operating(request, lambda operating: operating.holds())
    return pages.page("holds.html", caller_of(request), PATH, holds=found)
