"""The corrections of wrong questions: which are in force, and who decided them."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Resource
from assess_core.domain.corrections import Correction, rule_text
from assess_core.domain.moments import iso
from assess_core.usecases.operating import MOST_CORRECTIONS
from graphql_api.console import pages
from graphql_api.console.asking import ask_operating
from graphql_api.gate import caller_of, require_allowed

PATH: Final = "/console/corrections"
BATCHES: Final = 5
"""Batches of a scope that a row names."""


async def page(request: Request) -> Response:
    """The newest corrections, the newest first."""
    require_allowed(request, Resource())
    found = await ask_operating(request, lambda operating: operating.corrections(MOST_CORRECTIONS))
    return pages.page(
        "corrections.html",
        caller_of(request),
        PATH,
        corrections=found[::-1],
        in_force=sum(one.reverted is None for one in found),
        most=MOST_CORRECTIONS,
        rule_text=rule_text,
        scope_of=_scope,
    )


def _scope(correction: Correction) -> str:
    """The attempts in a scope, in words."""
    more = len(correction.batches) - BATCHES
    parts = [f"batch {', '.join(correction.batches[:BATCHES])}" if correction.batches else "all batches"]
    parts[0] += f" and {more:,} more" if more > 0 else ""
    if correction.course is not None:
        parts.append(f"course {correction.course}")
    if correction.attempted_from is not None:
        parts.append(f"from {iso(correction.attempted_from)}")
    if correction.attempted_to is not None:
        parts.append(f"before {iso(correction.attempted_to)}")
    return ", ".join(parts)
