"""Links to reports in a folder: the API serves them, and proves each link by a secret in the home folder."""

import os
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from assess_core.domain.signed_links import LINK_PATH, LINK_TIME, require_valid, signature
from assess_core.errors import StoreUnavailable
from assess_core.ports.links import Link

_NAME: Final = "link-secret"
_BYTES: Final = 32
_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700


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
            if not self._file.exists():
                self._create()
            found = self._file.read_bytes()
        except OSError as error:
            raise StoreUnavailable(
                f"the secret {self._file} of links cannot be used: {error.strerror}; let this user read and write it"
            ) from error
        if len(found) < _BYTES:
            raise StoreUnavailable(f"the secret {self._file} is too short; delete it, and a new one is made")
        return found

    def _create(self) -> None:
        """Create the secret; if several processes do, one of them wins, and the file is never incomplete."""
        self._file.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        temporary = self._file.with_name(f".{_NAME}-{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE_FILE)
        try:
            os.write(descriptor, secrets.token_bytes(_BYTES))
            os.fsync(descriptor)
            os.link(temporary, self._file)
        except FileExistsError:
            pass
        finally:
            os.close(descriptor)
            temporary.unlink()
