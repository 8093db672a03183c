"""Use case: prove that nothing of erased learners is stored, by decoding everything that is.

No query could prove it: a page, a dictionary, a statistic or a free page can hold what no query returns.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from assess_core.domain.erasing import Mentions, Receipt, fingerprint, require_named
from assess_core.domain.register import Kind
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.erasures import Besides, Text
from assess_core.ports.hot_store import HotStore
from assess_core.ports.stores import Stores
from assess_core.usecases.erased import erased_among
from assess_core.usecases.erasing import are_in, asks_about, is_about

_HELD: Final = "holds an id of the learners; erase again"
Searched = Callable[[str], None]


def find(
    stores: Stores, besides: Besides, receipt: Receipt, user_ids: Collection[str], searched: Searched
) -> Iterator[str]:
    """The places that still hold something of the learners of a receipt, one sentence each.

    `searched` is called with the name of each file or table that was read. Raises `BadErasure` if these are not the
    learners of the receipt, `StoreUnavailable`.
    """
    key = next(key for key in stores.keys.all() if fingerprint(key) == receipt.key)
    require_named(receipt, key, user_ids)
    mentions = Mentions(user_ids)
    if len(erased_among(user_ids, stores.hot, stores.keys)) < len(set(user_ids)):
        yield "register: an order is missing, so the learner could come back; erase again"
    for where, texts in _everything(stores, besides):
        searched(where)
        if are_in(texts, mentions):
            yield f"{where}: {_HELD}"
    events = (is_about(event, mentions) for event in stores.hot.every_failed())
    jobs = (asks_about(job, mentions) for job in besides.requests.every())
    for where, named in (("hot store: failed events", events), ("requests", jobs)):
        searched(where)
        if any(map(_read, named)):
            yield f"{where}: {_HELD}"


def _everything(stores: Stores, besides: Besides) -> Iterator[tuple[str, Iterable[Text]]]:
    yield from ((f"lake: {name}", texts) for name, texts in stores.lake.traces.texts())
    yield from ((f"hot store: {name}", texts) for name, texts in stores.hot.files())
    yield from ((f"hot store: {name}", texts) for name, texts in _tables(stores.hot))
    yield from ((f"reports: {name}", texts) for name, texts in stores.exhausts.texts())
    yield from ((f"Dagster: {name}", texts) for name, texts in besides.runs.texts())


def _tables(hot: HotStore) -> Iterator[tuple[str, Iterable[Text]]]:
    """Every row of every table with learners, read from its beginning to its end."""
    yield "maps and summaries", (_text(user_id) for user_id, _ in hot.all_learners())
    yield "activities", (_text(activity.key.user_id) for activity in hot.all_activities())
    for slice_ in hot.held():
        batches = (batch for shard in hot.scan(slice_) for batch in shard)
        yield f"slice {slice_}", (_text(*batch["user_id"].to_pylist()) for batch in batches)
    yield "register", (_text(*record) for kind in Kind for record in hot.register.all(kind))


def _read(found: bool) -> bool:
    checkpoint()
    return found


def _text(*values: str | bytes) -> Text:
    checkpoint()
    return Text(b"\0".join(value.encode() if isinstance(value, str) else value for value in values))
