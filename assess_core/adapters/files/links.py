"""Links to reports in a folder: the API serves them, and proves each link by a secret in the home folder."""

import secrets
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from assess_core.adapters.files.atomic_write import write_first
from assess_core.adapters.files.setting_files import read_beginning
from assess_core.domain.signed_links import LINK_PATH, LINK_TIME, require_valid, signature
from assess_core.errors import StoreUnavailable
from assess_core.ports.links import Link

_NAME: Final = "link-secret"
_BYTES: Final = 32
_MOST_BYTES: Final = 4096


class SignedLinks:
    """`ports.Links` of the API. The first link creates the secret; every process of this home folder uses it."""

    def __init__(self, home: Path) -> None:
        self._file = home / _NAME

    def link(self, name: str, now: int) -> Link:
        expires = now + LINK_TIME
        query = urlencode({"expires": expires, "signature": signature(self._secret(), name, expires)})
        return Link(f"{LINK_PATH}{quote(name)}?{query}", expires)

    def require_valid(self, name: str, expires: str, signature: str, now: int) -> None:
        require_valid(self._secret(), name, expires, signature, now)

    def _secret(self) -> bytes:
        try:
            write_first(self._file, secrets.token_bytes(_BYTES))
            found = read_beginning(self._file, _MOST_BYTES)
        except OSError as error:
            raise StoreUnavailable(
                f"the secret {self._file} of links cannot be used: {error.strerror}; let this user read and write it"
            ) from error
        if len(found) < _BYTES:
            raise StoreUnavailable(f"the secret {self._file} is too short; delete it, and a new one is made")
        return found
