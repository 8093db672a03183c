"""Settings: read once from a mapping, by whoever starts; nothing else reads the environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, Self

from assess_core.domain.moments import duration_text, parse_duration
from assess_core.domain.sizes import parse_size

_SQLITE: Final = "sqlite:///"
# a password may hold anything, an @ too; Kafka's comes as an option, and its options may hold an @
_PASSWORD: Final = re.compile(r"(\A(?!kafka:)\w+://[^/:]*:).*@|(\Akafka://[^/@:]*:)[^/]*@")
_OPTION: Final = re.compile(r"([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&]*")


class Settings(NamedTuple):
    """Where everything is. The defaults need no server; all that is embedded lies below the home folder."""

    home: Path
    """`ASSESS_HOME`, or `--home`: the folder below which everything embedded lies (default `.assess`)."""
    hot_store: str
    """`ASSESS_HOT_STORE`: where attempts land first, `sqlite:///PATH` (default `sqlite:///HOME/hot.sqlite`)."""
    lake: str
    """`ASSESS_LAKE`: the folder of the Delta tables (default `HOME/lake`)."""
    exhausts: str
    """`ASSESS_EXHAUSTS`: the folder that reports are written to (default `HOME/exhausts`)."""
    log: str
    """`ASSESS_LOG`: the folder of JSON lines that `assess up` tails (default `HOME/log`)."""
    grace: int
    """`ASSESS_GRACE`: how long after its end a week stays open, in ms (default `1d`)."""
    facts: str
    """`ASSESS_FACTS`: a file of what is known of courses, assessments and batches, or `cassandra://HOST/KEYSPACE` with
    Sunbird's batches (default: nothing is known)."""
    memory: int | None = None
    """`ASSESS_MEMORY`: how much memory reports and reads of a process may use together, e.g. `2GB` (default: half of
    the machine's, or of the control group's limit)."""

    @classmethod
    def from_env(cls, env: Mapping[str, str], home: str | None = None) -> Self:
        """The settings that an environment asks for; an empty variable counts as not set. Raises `BadTime`.

        Paths are relative to the folder in which this is called, and absolute from here on.
        """
        root = Path(home or env.get("ASSESS_HOME") or ".assess").absolute()
        grace = env.get("ASSESS_GRACE") or "1d"
        return cls(
            home=root,
            hot_store=_absolute(env.get("ASSESS_HOT_STORE") or f"{_SQLITE}{root / 'hot.sqlite'}"),
            lake=_absolute(env.get("ASSESS_LAKE") or str(root / "lake")),
            exhausts=_absolute(env.get("ASSESS_EXHAUSTS") or str(root / "exhausts")),
            log=_absolute(env.get("ASSESS_LOG") or str(root / "log")),
            grace=parse_duration(grace, "ASSESS_GRACE"),
            facts=_absolute(env.get("ASSESS_FACTS") or ""),
            memory=parse_size(env.get("ASSESS_MEMORY") or "", "ASSESS_MEMORY"),
        )

    def env(self) -> dict[str, str]:
        """The variables that give these settings again: how `up` hands them to the processes it starts."""
        return {
            "ASSESS_HOME": str(self.home),
            "ASSESS_HOT_STORE": self.hot_store,
            "ASSESS_LAKE": self.lake,
            "ASSESS_EXHAUSTS": self.exhausts,
            "ASSESS_LOG": self.log,
            "ASSESS_GRACE": duration_text(self.grace),
            "ASSESS_FACTS": self.facts,
            "ASSESS_MEMORY": "" if self.memory is None else f"{self.memory}B",
        }


def hidden(url: str) -> str:
    """A URL as it may be shown: without its password, or options that hold one."""
    return _OPTION.sub(r"\1***", _PASSWORD.sub(r"\1\2***@", url))


def _absolute(text: str) -> str:
    """A path, or the path in a `sqlite:///` URL, from the current folder; other URLs as they are."""
    scheme = _SQLITE if text.startswith(_SQLITE) else ""
    path = text.removeprefix(scheme)
    return text if "://" in path or not path else f"{scheme}{Path(path).absolute()}"
