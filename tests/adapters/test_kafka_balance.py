"""The stores are compared with a topic, also after retention deleted records, and are repaired from it."""

import time
from collections.abc import Callable
from pathlib import Path

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.events import decode
from assess_core.ports.ledger import Fault, LogOffset, LogSheet, Sheet
from assess_core.ports.log import Feed
from assess_core.ports.stores import Stores
from assess_core.usecases.folding import fold
from tests.balances import NO_FACTS, draw, forget, lose, resolve
from tests.factories import event, text
from tests.kafka_topics import PATIENCE, Topic
from tests.lakes import stores_over
from tests.properties.tables import rows


def fold_all(feed: Feed, stores: Stores, records: int) -> None:
    """Fold until this many records are folded."""
    until, folded = time.monotonic() + PATIENCE, 0
    while folded < records:
        assert time.monotonic() < until, f"only {folded} of {records} records arrived"
        for batch in feed.batches():
            feed.done(batch, fold(map(decode, batch.records), stores.hot, NO_FACTS).rejected)
            folded += len(batch.records)


def test_the_stores_are_compared_with_a_topic_and_repaired_from_it(
    topic: Topic, follow: Callable[..., Feed], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'hot.sqlite'}"
    stores = stores_over(SqliteHot(url), tmp_path)._replace(log=topic.log)
    topic.produce(*(text(event(user=user)) for user in ("u1", "u2", "u3")), partition=0)
    topic.produce(b"nonsense", partition=1)
    topic.produce(text(event(user="u4")), partition=1)
    fold_all(follow(), stores, 5)
    topic.produce(text(event(user="u5")), b"not read yet", partition=2)

    even = draw(stores, against_log=True)
    assert even.found.balanced
    assert even.sheet == Sheet(None, named=4, hot_only=4, failed=1, log=LogSheet(5, 0, 0, 0))

    [lost] = [row for row in rows(stores.hot) if row.key.user_id == "u4"]
    lose(stores.hot, [lost])
    lose(stores.hot, [row for row in rows(stores.hot) if row.key.user_id == "u2"])
    forget(url, "u2")
    uneven = draw(stores, against_log=True)
    assert uneven.named == {
        (Fault.MISSING, str(lost.slice), "u4"),
        (Fault.NOT_STORED, str(lost.slice), "u2"),
    }
    assert [each.place for each in uneven.differences if each.place] == [LogOffset(topic.name, 0, 1)]

    assert resolve(stores) == (1, 0)
    assert draw(stores, against_log=True).found.balanced
    assert topic.log.lag()[0].committed == 3  # the repair committed no position

    time.sleep(0.01)  # the next record must get a later receipt than all before it
    topic.produce(text(event(user="u6")), partition=0)
    topic.delete_before(0, 3)
    cut = draw(stores, against_log=True)
    assert cut.sheet.log is not None
    assert (cut.found.balanced, cut.sheet.log.older) == (True, 3)
