"""Verifies JSON Web Tokens and turns their claims into a caller. Verified tokens are remembered until they expire."""

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import jwt

from assess_core.adapters.tokens.key_ring import KeyRing
from assess_core.domain.access import Caller, Role
from assess_core.domain.json_text import is_unicode
from assess_core.errors import Unauthenticated
from assess_core.ports.findings import Finding, Level
from assess_core.ports.tokens import UnknownKey
from assess_core.settings import ApiSettings

MOST_CHARACTERS: Final = 8192
"""The longest token; Keycloak's have 1,000 to 3,000 characters."""
MOST_REMEMBERED: Final = 10_000
_SECOND: Final = 1000  # ms
_FEDERATED: Final = re.compile(r"f:[0-9A-Fa-f-]{36}:(.+)", re.DOTALL)
"""Keycloak's subject for a learner of another user store: `f:<uuid of the store>:<learner>`."""
_PARENT: Final = "parentId"
"""The claim of a managed learner's token that names the learner who acts."""
_UNREADABLE: Final = "the token cannot be read"
_REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidIssuedAtError: "the token was issued in the future",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is from another issuer",
    jwt.InvalidSignatureError: "the signature of the token is wrong",
    jwt.InvalidAlgorithmError: "the algorithm of the token is not allowed",
}


class _Verified(NamedTuple):
    caller: Caller
    parent: str
    """The learner who acts; empty in a token that is not of a managed learner."""
    until: float
    generation: int


class JwtTokens:
    """The tokens of one issuer, or of all issuers with these keys."""

    def __init__(self, keys: KeyRing, settings: ApiSettings, about: str, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._settings = settings
        self._about = about
        self._now = now
        self._skew = settings.clock_skew / _SECOND
        self._remembered: OrderedDict[bytes, _Verified] = OrderedDict()
        self._lock = threading.Lock()

    def caller(self, token: str, managed: str = "") -> Caller:
        """The owner of a token, who acts for the managed learner of the second token if there is one."""
        owner = self._verified(token)
        if owner.parent:
            raise Unauthenticated("the token of a managed learner is no login; send it in x-authenticated-for")
        if not managed:
            return owner.caller
        child = self._verified(managed)
        if child.parent != owner.caller.id:
            raise Unauthenticated("the token in x-authenticated-for is not for a learner whom this caller manages")
        return owner.caller._replace(requested_for=child.caller.id)

    def refresh(self) -> None:
        """Read the keys again, unless that was done some seconds ago."""
        self._keys.refresh()

    def examine(self) -> Iterator[Finding]:
        """Read the keys, and look for settings that accept more tokens than they should."""
        self._keys.load()
        yield Finding(Level.OK, "API", f"needs a token, verified with {self._about}")
        for name, value in (("ISSUER", self._settings.issuer), ("AUDIENCE", self._settings.audience)):
            if not value:
                message = f"ASSESS_API_{name} is not set: tokens of these keys for other services are accepted too"
                yield Finding(Level.WARN, "API", message, f"set ASSESS_API_{name}")

    def _verified(self, token: str) -> _Verified:
        if len(token) > MOST_CHARACTERS:
            raise Unauthenticated(f"the token has more than {MOST_CHARACTERS:,} characters")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()  # no token stays in memory
        with self._lock:
            found = self._remembered.get(digest)
            if found is not None:
                self._remembered.move_to_end(digest)
        if found is None or found.generation != self._keys.generation:
            found = self._verify(token)
            with self._lock:
                self._remembered[digest] = found
                if len(self._remembered) > MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
        elif self._now() >= found.until:
            raise Unauthenticated(_REASONS[jwt.ExpiredSignatureError])
        else:
            self._keys.refresh_later()
        return found

    def _verify(self, token: str) -> _Verified:
        generation = self._keys.generation
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.find(header.get("kid"))
            if key is None:
                raise UnknownKey("no known key signed the token")
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],  # whatever the token names
                audience=self._settings.audience or None,
                issuer=self._settings.issuer or None,
                leeway=self._skew,
                options={
                    "require": ["exp"],
                    "verify_aud": bool(self._settings.audience),
                    "verify_iss": bool(self._settings.issuer),
                    "verify_sub": False,
                },
            )
            return _Verified(*self._owner(claims), float(claims["exp"]) + self._skew, generation)
        except jwt.MissingRequiredClaimError as error:
            raise Unauthenticated(f"the token has no {error.claim}") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthenticated(_REASONS.get(type(error), _UNREADABLE)) from None

    def _owner(self, claims: Mapping[str, Any]) -> tuple[Caller, str]:
        settings = self._settings
        learner = _learner(_claim(claims, settings.learner_claim))
        if not learner:
            raise Unauthenticated("the token has no learner in the claim that ASSESS_API_LEARNER_CLAIM names")
        roles = frozenset(Role(name) for name in _texts(_claim(claims, settings.roles_claim)) if name in set(Role))
        batches, courses = (_texts(_claim(claims, name)) for name in (settings.batches_claim, settings.courses_claim))
        parent = claims.get(_PARENT)
        if parent is not None and not _learner(parent):
            raise Unauthenticated(f"the claim {_PARENT} of the token is not text")
        channel = _claim(claims, settings.channel_claim)
        named = channel if isinstance(channel, str) else ""
        return Caller(learner, roles or frozenset({Role.LEARNER}), batches, courses, named), _learner(parent)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a path such as `realm_access.roles`. A name can contain dots: it is tried first."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _learner(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not is_unicode(value):
        return ""
    federated = _FEDERATED.fullmatch(value)
    return federated[1] if federated else value


def _texts(value: Any) -> frozenset[str]:
    """The elements of a list of texts, or the words of a text, as in the claim `scope`."""
    listed = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(one for one in listed if isinstance(one, str) and one)
