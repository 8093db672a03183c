"""Opens the tokens that the settings of the API name."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from assess_core.adapters.tokens.key_ring import KeyRing
from assess_core.adapters.tokens.keys import Key, parse_key_set
from assess_core.adapters.tokens.sources import NAME, check_url, read_file, read_url
from assess_core.adapters.tokens.verifier import JwtTokens
from assess_core.errors import BadSettings, StoreUnavailable
from assess_core.privacy import hidden
from assess_core.settings import ApiSettings

_LEAST_SECRET: Final = 32
"""Bytes of a secret for HS256: as many as its hash has."""


class SecretRing(KeyRing):
    """One secret, whatever `kid` a token has."""

    def find(self, _kid: str | None) -> Key | None:
        """The secret."""
        return super().find(None)


def open_tokens(settings: ApiSettings, notify: Callable[[str], None]) -> JwtTokens:
    """The tokens of the named keys, which are read now.

    If a server of keys does not answer, `notify` gets a message, and the keys are read later. Raises `BadSettings`.
    """
    if settings.keys and settings.secret:
        raise BadSettings("ASSESS_API_KEYS and ASSESS_API_SECRET are both set; unset one of them")
    if settings.secret:
        secret = settings.secret.encode()
        if len(secret) < _LEAST_SECRET:
            raise BadSettings(f"ASSESS_API_SECRET has less than {_LEAST_SECRET} bytes; write a longer random text")
        ring: KeyRing = SecretRing(lambda: {"": Key("HS256", secret)}, notify)
        about = "ASSESS_API_SECRET, which is for development only"
    else:
        ring, about = _ring(settings.keys, notify), f"the keys of {hidden(settings.keys)}"
    try:
        ring.load()
    except StoreUnavailable as error:
        notify(f"{error}; requests are refused until the keys are read")
    return JwtTokens(ring, settings, about)


def _ring(where: str, notify: Callable[[str], None]) -> KeyRing:
    shown = f"{NAME}: {hidden(where)}"
    if "://" not in where:
        return KeyRing(lambda: parse_key_set(read_file(Path(where)), shown), notify)
    check_url(where)
    return KeyRing(lambda: parse_key_set(read_url(where), shown), notify)
