"""The host names that the API answers to. A page of another site can point its own name at this server's address."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from assess_core.errors import BadSettings

_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}?))\.?(?::\d{1,5})?\Z", re.IGNORECASE)


class Hosts:
    """Host names, besides `localhost` and the loopback addresses."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)

    @classmethod
    def parse(cls, text: str) -> "Hosts":
        """Read the setting, a list with commas. Raises `BadSettings`."""
        names = []
        for one in filter(None, map(str.strip, text.split(","))):
            name = _name(f"[{one}]" if one.count(":") > 1 and "[" not in one else one)
            if name is None:
                raise BadSettings(f"ASSESS_API_HOSTS: {one[:80]!r} is not a host name; write it like api.example.org")
            names.append(name)
        return cls(names)

    def answers_to(self, given: Sequence[bytes]) -> bool:
        """Whether the headers `Host` of a request are exactly one known name, with or without a port."""
        if len(given) != 1:
            return False
        name = _name(given[0].decode("latin-1"))
        if name is None:
            return False
        return name in self._names or is_loopback(name)


def _name(text: str) -> str | None:
    """The name or address, without brackets, port and final dot, in lower case."""
    found = _HOST.match(text)
    return (found[1] or found[2]).lower() if found else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
