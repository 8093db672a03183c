"""Signed links to report files: the signature proves that this installation made the link, and until when it works."""

import hashlib
import hmac
from typing import Final

from assess_core.domain.moments import MINUTE, iso
from assess_core.errors import LinkExpired, LinkRefused

LINK_PATH: Final = "/dataset/v1/request/download/"
"""The path of the API below which the links point. Only the signature protects it, so the API asks for no token."""
LINK_TIME: Final = 30 * MINUTE
"""How long a link works, in ms; as long as the links of Sunbird's service."""
_DIGITS: Final = 15


def signature(secret: bytes, name: str, expires: int) -> str:
    """The signature of a link to this file until this time (epoch ms)."""
    return hmac.new(secret, f"{expires}\n{name}".encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def require_valid(secret: bytes, name: str, expires: str, signed: str, now: int) -> None:
    """Check the parts of a link. Raises `LinkRefused` or `LinkExpired`.

    The signature is checked first, in constant time, so that a stranger learns nothing about files or times.
    """
    number = int(expires) if expires.isascii() and expires.isdecimal() and len(expires) <= _DIGITS else -1
    expected = signature(secret, name, number)
    if not hmac.compare_digest(expected.encode(), signed.encode(errors="replace")):
        raise LinkRefused("the link is not valid; read the request again, and use the link in downloadUrls unchanged")
    if number <= now:
        raise LinkExpired(f"the link expired at {iso(number)}; read the request again to get a new one")
