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


class RegisterCopy(Register, Protocol):
    """The lake's copy. To find what one tier lacks, names are enough: there can be many records, and few differ."""

    def names(self, kind: Kind) -> set[str]:
        """The names (`Record.name`) of all records of a kind, without reading the records."""
        ...

    def named(self, kind: Kind, names: Collection[str]) -> list[Record]:
        """The records with these names, ordered by topic and id. One that was removed since is left out."""
        ...
