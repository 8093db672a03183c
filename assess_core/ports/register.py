"""What the core needs from a register of decisions. The hot store has one and the lake has a copy of it."""

from collections.abc import Collection, Sequence
from typing import Protocol

from assess_core.domain.register import Kind, Record


class Register(Protocol):
    """A set of records. Methods raise `StoreUnavailable`."""

    def add(self, records: Sequence[Record]) -> None:
        """Add records. A record that is stored already, with the same kind, topic and id, stays as it is."""
        ...

    def of(self, kind: Kind, topics: Collection[str]) -> list[Record]:
        """The records of a kind about these topics, ordered by topic and id."""
        ...

    def all(self, kind: Kind) -> list[Record]:
        """All records of a kind, ordered by topic and id."""
        ...

    def rewrite(self, records: Sequence[Record]) -> None:
        """Replace the contents of stored records: the only change, for texts that name an erased learner."""
        ...

    def remove(self, records: Sequence[Record]) -> None:
        """Remove records that must not be kept, such as those about an erased learner. Can be repeated.

        A removed record can be added again.
        """
        ...
