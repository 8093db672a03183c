"""Who asks: the one place that takes the caller's identity from a request."""

from typing import Final

from starlette.requests import Request

from assess_core.domain.access import Action, Caller, Resource, denial_of
from assess_core.domain.report_request import MOST_ID, Requester, text
from assess_core.errors import BadRequest
from graphql_api.gate import caller_of

ANONYMOUS: Final = "anonymous"
_OF_ONE: Final = "mentor:"
"""What the channel of a caller begins with if its token names none."""


def owner_of(caller: Caller | None) -> Requester | None:
    """The owner of a token that has only its own requests; None for a caller who may manage all of them.

    Raises `BadRequest` if the token names nobody.
    """
    if caller is None or denial_of(caller, Action.MANAGE_REQUESTS, Resource()) is None:
        return None
    channel = caller.channel or f"{_OF_ONE}{caller.learner}"
    user = text(caller.learner, "the learner of the token", MOST_ID)
    return Requester(text(channel, "the channel of the token", MOST_ID), user, only_own=True)


def requester_of(request: Request, named: object = None) -> Requester:
    """The channel and the user in whose name a request is made.

    A caller who may manage all requests is a gateway: its headers name both, or the body names the user (`named`).
    Every other caller is the owner of its token, whatever the headers say, and has only its own requests.
    Raises `BadRequest` if something is missing.
    """
    owner = owner_of(caller_of(request))
    if owner is not None:
        return owner
    header = request.headers.get("x-channel-id")
    if header is None:
        raise BadRequest("X-Channel-ID is empty; send the header with the channel of the request")
    given = request.headers.get("x-authenticated-userid") or named or ANONYMOUS
    return Requester(text(header, "X-Channel-ID", MOST_ID), text(given, "requestedBy", MOST_ID))
