"""Reads a key set from a file or a URL, with limits of size and time."""

from pathlib import Path
from typing import Final

from assess_core.adapters.files.setting_files import read_beginning
from assess_core.adapters.http import client
from assess_core.adapters.http.client import NoAnswer, is_protected
from assess_core.errors import BadSettings, StoreUnavailable
from assess_core.privacy import hidden

MOST_BYTES: Final = 256 * 1024
SECONDS: Final = 10.0
"""The time for the whole answer of a server."""
NAME: Final = "ASSESS_API_KEYS"


def read_file(path: Path) -> bytes:
    """The bytes of a key set. Raises `BadSettings`."""
    try:
        text = read_beginning(path, MOST_BYTES)
    except OSError as error:
        raise BadSettings(f"{NAME}: {str(path)!r}: {error.strerror}; check the path and its permissions") from error
    if len(text) > MOST_BYTES:
        raise BadSettings(f"{NAME}: {str(path)!r} has more than {MOST_BYTES:,} bytes; it is not a key set")
    return text


def check_url(url: str) -> None:
    """Raise `BadSettings` if the keys would not come through TLS, except from this machine."""
    if not is_protected(url):
        raise BadSettings(f"{NAME}: {hidden(url)!r} is neither a file nor an https:// URL; write https://HOST/PATH")


def read_url(url: str) -> bytes:
    """The bytes of a key set. Raises `StoreUnavailable`."""
    try:
        return client.read_url(url, seconds=SECONDS, most_bytes=MOST_BYTES)
    except NoAnswer as error:
        raise StoreUnavailable(f"{NAME}: {hidden(url)} {error}; check the URL and the server") from error
