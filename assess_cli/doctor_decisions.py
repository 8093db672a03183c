"""Findings of `assess doctor` about what people decided."""

from collections.abc import Iterator

from assess_core.ports.findings import Finding, Level
from assess_core.ports.stores import Stores
from assess_core.usecases.applying import unfinished
from assess_core.usecases.corrections_in_force import all_entered
from assess_core.usecases.registering import differing


def corrections(stores: Stores) -> Iterator[Finding]:
    """Corrections whose command was interrupted."""
    only_lake, only_hot = differing(stores.hot, stores.lake)
    if missing := {record.id for record in (*only_lake, *only_hot)}:
        message = f"{len(missing):,} decisions are in one store only, e.g. {min(missing)}"
        yield Finding(Level.WARN, "corrections", message, "type the interrupted command again, or assess rebuild")
    waiting = unfinished(stores.hot)
    for one in waiting:
        id_, command = one.decided.id, "apply" if one.reverted is None else "revert"
        message = f"stored scores do not follow all of {id_} yet; answers and reports do"
        action = f"type assess correct {command} again; assess correct list --json shows {id_}"
        yield Finding(Level.WARN, "corrections", message, action)
    if not missing and not waiting:
        in_force = sum(one.reverted is None for one in all_entered(stores.hot.register))
        yield Finding(Level.OK, "corrections", f"{in_force:,} in force")
