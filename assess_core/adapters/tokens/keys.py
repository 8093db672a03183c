"""Public keys from a JSON Web Key Set, and which algorithm each key may be used for."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from assess_core.domain.json_text import without_mark
from assess_core.errors import BadSettings

MOST_KEYS: Final = 100
_LEAST_RSA_BITS: Final = 2048
_ALGORITHMS: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""Key type and curve -> the only algorithm of such a key, so no token can choose another one."""
_PRIVATE: Final = "d"
"""The member of a private key, for all three types."""


class Key(NamedTuple):
    """A key and its algorithm."""

    algorithm: str
    key: jwt.PyJWK | bytes


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


_decoder: Final = msgspec.json.Decoder(_KeySet)


def parse_key_set(text: bytes, where: str) -> Mapping[str, Key]:
    """The usable keys by `kid`; a key without one has an empty `kid`. Raises `BadSettings`.

    Keys for encryption, symmetric keys and keys of other algorithms are skipped: a provider may publish them too.
    """
    try:
        listed = _decoder.decode(without_mark(text)).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadSettings(f'{where} is not a JSON Web Key Set; it looks like {{"keys": [...]}}') from None
    if len(listed) > MOST_KEYS:
        raise BadSettings(f"{where} has more than {MOST_KEYS} keys; remove the old ones")
    found: dict[str, Key] = {}
    for one in listed:
        algorithm = _ALGORITHMS.get((_text(one, "kty"), _text(one, "crv") or None))
        if algorithm is None or one.get("alg", algorithm) != algorithm or one.get("use", "sig") != "sig":
            continue
        if _PRIVATE in one:
            raise BadSettings(f"{where} has a private key; publish only public keys, and replace this key")
        kid = _text(one, "kid")
        if kid in found:
            raise BadSettings(f"{where} has two keys with the kid {kid[:40]!r}; give each key its own kid")
        found[kid] = Key(algorithm, _public_key(one, algorithm, where))
    if not found:
        raise BadSettings(f"{where} has no public key for RS256, ES256 (P-256) or EdDSA (Ed25519)")
    return found


def _public_key(one: dict[str, Any], algorithm: str, where: str) -> jwt.PyJWK:
    try:
        key = jwt.PyJWK.from_dict(one, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise BadSettings(f"{where}: the key {_text(one, 'kid')[:40]!r} cannot be read; publish it again") from None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _LEAST_RSA_BITS:
        raise BadSettings(f"{where}: an RSA key has less than {_LEAST_RSA_BITS} bits; use a longer one")
    return key


def _text(one: dict[str, Any], name: str) -> str:
    found = one.get(name)
    return found if isinstance(found, str) else ""
