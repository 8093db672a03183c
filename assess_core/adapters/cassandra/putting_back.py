"""Write rows again that a clear has deleted.

A clear deletes a row at the row's own write time, and Cassandra hides what is written at that time or below until it
purges the deletion (`gc_grace_seconds`). The write time of a row is minus its receipt, in microseconds, and receipts
are in milliseconds. So up to 999 us above it a row is visible again, and still loses against any earlier receipt.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from assess_core.domain.attempts import AttemptVersion, RowKey
from assess_core.domain.counts import counted
from assess_core.errors import StoreUnavailable

_ABOVE: Final = (0, *(1 << power for power in range(10)))
"""The tries, in us above the usual write time. Each clear of a row that was put back needs the next one."""


def put_back(
    rows: Sequence[AttemptVersion],
    write: Callable[[Sequence[AttemptVersion], int], Mapping[bytes, str]],
    read: Callable[[Sequence[RowKey]], Sequence[AttemptVersion]],
) -> None:
    """Write rows until each can be read. Raises `StoreUnavailable` if deletions hide some of them from every try."""
    hidden = list(rows)
    for above in _ABOVE:
        if refused := write(hidden, above):
            raise StoreUnavailable(f"the hot store refused a row: {next(iter(refused.values()))}")
        visible = {(row.slice, row.version.content_hash) for row in read([row.row_key for row in hidden])}
        hidden = [row for row in hidden if (row.slice, row.version.content_hash) not in visible]
        if not hidden:
            return
    raise StoreUnavailable(
        f"{counted(len(hidden), 'row')} of {hidden[0].slice} cannot be seen behind deletions: rows were "
        "deleted by hand, or restored "
        "and cleared ten times today; Cassandra purges deletions after a day, so run it again then"
    )
