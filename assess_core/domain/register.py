"""The register: what people decided about attempts, such as a correction, a hold or an order to erase a learner.

A record never changes. A decision is taken back by another record. So what is in force is a pure function of the set
of records, in whatever order they arrived.
"""

import hashlib
import unicodedata
from enum import StrEnum
from typing import Final, NamedTuple

_MOST_TEXT: Final = 1000
"""The largest number of characters of a name or a reason."""
_NO_TEXT: Final = ("Cc", "Cs")
"""Categories of characters: control characters, which move the cursor of a terminal, and halves of surrogate pairs."""


class Kind(StrEnum):
    """What a record says."""

    CORRECTION = "correction"
    REVERT = "revert"
    """A correction counts no longer."""
    ERASURE = "erasure"
    ERASURE_BEGUN = "erasure-begun"
    """An order to erase is about to be entered. Only the hot store has it, for some milliseconds."""
    HOLD = "hold"
    RELEASE = "release"
    """A hold ends."""
    CARRIED_OUT = "carried-out"
    """The scores that are stored follow a correction or its revert."""


IN_BOTH_TIERS: Final = tuple(kind for kind in Kind if kind is not Kind.ERASURE_BEGUN)
"""The kinds of records of which the lake has a copy."""
ABOUT_LEARNERS: Final = (Kind.HOLD, Kind.RELEASE)
"""The kinds of records whose topic can be a learner."""


class Record(NamedTuple):
    """A decision. Kind, topic and id identify it."""

    kind: Kind
    topic: str
    """What it is looked up by: of a correction, the assessment."""
    id: str
    content: str
    """JSON text, as the kind defines it."""

    @property
    def name(self) -> str:
        """A name for a file: 32 hex digits, the same for the same kind, topic and id."""
        key = "\0".join((self.kind, self.topic, self.id))
        return hashlib.sha256(key.encode()).hexdigest()[:32]


def why_no_decision(by: str, reason: str) -> str | None:
    """Why these cannot be kept as who decided something and why, as a sentence; None if they can."""
    for option, text in (("--by", by), ("--reason", reason)):
        if not text.strip() or len(text) > _MOST_TEXT or any(unicodedata.category(each) in _NO_TEXT for each in text):
            return f"{option}: write a text of 1 to {_MOST_TEXT:,} characters in one line; it is kept with the decision"
    return None
