"""Privacy: which options hold secrets, how a URL is shown without them, and who may read our files."""

import os
import re
from typing import Final
from urllib.parse import unquote

# a password may hold anything, also an @; Kafka's is an option, and its options may hold an @ too
_PASSWORD: Final = re.compile(r"(\A(?!kafka:)\w+://[^/:]*:).*@|(\Akafka://[^/@:]*:)[^/]*@")
_SECRET: Final = re.compile(
    r"password|passphrase|secret|token(?!\.endpoint)|credential|private|\.pem\Z|oauthbearer\.config|kinit\.cmd",
    re.IGNORECASE,
)
_PRIVATE_UMASK: Final = 0o077  # files are 0600, folders 0700


def is_secret(option: str) -> bool:
    """Whether the value of an option must not be shown: the one list for settings, doctor and error messages."""
    return _SECRET.search(option) is not None


def hidden(url: str) -> str:
    """A URL as it may be shown: without its password, and without the values of secret options."""
    where, mark, query = _PASSWORD.sub(r"\1\2***@", url).partition("?")
    if not mark or "://" not in where:
        return where + mark + query
    return where + mark + "&".join(map(_shown, query.split("&")))


def _shown(option: str) -> str:
    name, given, _ = option.partition("=")
    if not given:  # it may be the end of a password with an & in it
        return "***" if name else ""
    return f"{name}=***" if is_secret(unquote(name)) else option


def keep_files_private() -> None:
    """Every file that this process and its children make is for this user alone: answers are personal data.

    The `main` of every shell calls this first.
    """
    os.umask(_PRIVATE_UMASK)
