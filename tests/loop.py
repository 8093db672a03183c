"""The loop in short functions: fold events, archive slices, run all queries."""

from collections.abc import Iterable
from typing import Any, Final

from assess_core.domain.moments import DAY
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.usecases import archiving
from assess_core.usecases.folding import Checks, Folded, fold
from assess_core.usecases.paging import cursor
from assess_core.usecases.queries import Queries
from assess_core.usecases.tables import Name
from assess_core.usecases.views import Attempt
from tests.factories import RECEIVED, WEEK, decoded

NOW: Final = RECEIVED + 52 * WEEK
"""A time at which all slices of the tests are closed."""


def queries(stores: Stores) -> Queries:
    """Queries over these stores and an empty log."""
    return Queries(stores, DAY, lambda: NOW)


def take(stores: Stores, *messages: object, received: int | None = RECEIVED) -> Folded:
    """Fold messages as one batch."""
    batch = [decoded(message, offset, received) for offset, message in enumerate(messages, 1)]
    return fold(batch, stores.hot, Checks(NoFacts()))


def put_away(stores: Stores, slices: Iterable[ArchiveSlice] | None = None) -> int:
    """Archive, verify and clear slices, by default all. Returns the number of cleared rows."""
    chosen = stores.hot.slices() if slices is None else list(slices)
    archiving.archive(chosen, stores, NOW)
    archiving.verify(chosen, stores, NOW)
    return sum(cleared.cleared for cleared in archiving.clear(chosen, stores, NOW).values())


def pages(ask: Queries, first: int, **asked: Any) -> list[list[Attempt]]:
    """All pages of a query, each of which begins after the end of the previous one."""
    found: list[list[Attempt]] = []
    after = None
    for _ in range(100):
        page = ask.attempts(first=first, after=after, **asked)
        found.append(list(page.attempts))
        assert page.has_previous == (len(found) > 1)
        if not page.has_next:
            return found
        after = cursor(page.attempts[-1].key)
    raise AssertionError("the pages do not end")


def everything(
    ask: Queries, users: Iterable[str], batches: Iterable[str], assessments: Iterable[str]
) -> dict[str, Any]:
    """All query results that archive and clear must not change."""
    answers: dict[str, Any] = {f"table {name}": list(ask.table(name)) for name in Name if name is not Name.SLICES}
    for user in users:
        answers[f"attempts of {user}"] = pages(ask, 2, user_id=user)
        answers |= {f"score of {user} at {a}": ask.score(user, a) for a in assessments}
    for batch in batches:
        answers[f"attempts in {batch}"] = pages(ask, 3, batch_id=batch)
        answers[f"batch {batch}"] = ask.batch(batch)
    return answers
