"""Who is signed in: a cookie with the token. Only pages of the console read it, so no API accepts it."""

import re
from typing import Final

from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from graphql_api.console.pages import is_page

_COOKIE: Final = "assess_console"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.-]{1,3800}\Z")  # browsers keep cookies of 4,096 bytes


def token_in(scope: Scope) -> str:
    """The token of the cookie; empty without one, and on every path outside the console."""
    if not is_page(scope["path"]):
        return ""
    found = [value for name, value in scope["headers"] if name == b"cookie"]
    return cookie_parser(found[0].decode("latin-1")).get(_COOKIE, "") if len(found) == 1 else ""


def may_be_token(text: str) -> bool:
    """Whether a text can be a token; its signature is checked when the next page is read."""
    return bool(_TOKEN.match(text))


def sign_in(request: Request, response: Response, token: str) -> Response:
    """The response, which also stores the token in the browser until the browser is closed."""
    secure = request.url.scheme == "https"
    response.set_cookie(_COOKIE, token, path="/", secure=secure, httponly=True, samesite="strict")
    return response


def sign_out(request: Request, response: Response) -> Response:
    """The response, which also removes the token from the browser."""
    secure = request.url.scheme == "https"
    response.delete_cookie(_COOKIE, path="/", secure=secure, httponly=True, samesite="strict")
    return response
