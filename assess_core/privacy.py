"""Privacy: which options are secret, how URLs are shown without secrets, and who can read the files."""

import os
import re
from typing import Final
from urllib.parse import unquote

# a password can contain an @, so it ends at the last @ of the URL; the options of a Kafka URL can contain an @ too, so
# there it ends at the last @ before the next slash
_PASSWORD: Final = re.compile(r"(\A(?!kafka:)\w+://[^/:]*:).*@|(\Akafka://[^/@:]*:)[^/]*@")
_SECRET: Final = re.compile(
    r"password|passphrase|secret|token(?!\.endpoint)|credential|private|\.pem\Z|oauthbearer\.config|kinit\.cmd|\AASSESS_NOTIFY\Z",
    re.IGNORECASE,
)
_PRIVATE_UMASK: Final = 0o077  # files are 0600, folders 0700


def is_secret(option: str) -> bool:
    """Whether the value of an option must be hidden. Settings, doctor and error messages all use this function."""
    return _SECRET.search(option) is not None


def hidden(url: str) -> str:
    """The URL for display, with `***` in place of its password and of the values of secret options."""
    where, mark, query = _PASSWORD.sub(r"\1\2***@", url).partition("?")
    if not mark or "://" not in where:
        return where + mark + query
    return where + mark + "&".join(map(_shown, query.split("&")))


def _shown(option: str) -> str:
    name, given, _ = option.partition("=")
    if not given:  # it can be the end of a password that contains an &
        return "***" if name else ""
    return f"{name}=***" if is_secret(unquote(name)) else option


def keep_files_private() -> None:
    """Let only this user read the files that this process and its children create: answers are personal data.

    Every shell calls this first.
    """
    os.umask(_PRIVATE_UMASK)
