"""Who asks: the one place that takes the caller's identity from a request."""

from starlette.requests import Request

from assess_core.domain.report_request import MOST_ID, Requester, text
from assess_core.errors import BadRequest

ANONYMOUS = "anonymous"


def requester_of(request: Request, named: object = None) -> Requester:
    """The channel and the user of the gateway's headers; without a user, the one that the body names (`named`).

    Raises `BadRequest` if the channel is missing.
    """
    channel = request.headers.get("x-channel-id")
    if channel is None:
        raise BadRequest("X-Channel-ID is empty; send the header with the channel of the request")
    user = request.headers.get("x-authenticated-userid") or named or ANONYMOUS
    return Requester(text(channel, "X-Channel-ID", MOST_ID), text(user, "requestedBy", MOST_ID))
