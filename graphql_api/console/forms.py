"""What forms send: their fields, and whether a page of this server sent them."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from assess_core.errors import BadRequest, Forbidden
from graphql_api.bodies import read_bytes

_MOST_FIELDS: Final = 20
_FOREIGN: Final = "the form was sent by a page of another site; open this console's own page and send it from there"


def require_own(request: Request) -> None:
    """Raise `Forbidden` unless the browser says that a page of this server sent the form."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # browsers send Sec-Fetch-Site with TLS and on localhost; a proxy with TLS changes the scheme, but not the Host
    is_own = site == "same-origin" if site is not None else _place(origin or "") == request.headers.get("host")
    if not is_own:
        raise Forbidden(_FOREIGN)


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form; of a repeated one, the last. Raises `BadBody`, `BadRequest`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise BadRequest("the body is not a form; send it from a page of the console")
    body = await read_bytes(request)
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise BadRequest(f"the form has more than {_MOST_FIELDS} fields") from None


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # half an IPv6 address
        return ""
