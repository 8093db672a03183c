"""The same erasure with servers: the hot store in Cassandra, lake and reports in a bucket."""

from pathlib import Path

import pytest

from assess_core.domain.erasing import Mentions
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.erasing import are_in, erase
from assess_core.usecases.erasure_check import find
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.tickets import reprint
from assess_core.wiring import open_stores, stores_of
from tests.conftest import Hot
from tests.factories import WEEK
from tests.places import Store, at, in_s3
from tests.servers import S3
from tests.usecases.test_erasing import BESIDES, NOW, ORDER, SECRET, W5, W6, sound, take
from tests.usecases.test_erasing_tickets import SCORES

pytestmark = pytest.mark.usefixtures("erases")


@pytest.fixture
def on_servers(s3: S3, cassandra_hot: Hot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Stores, Settings]:
    url = in_s3(s3, monkeypatch)
    settings = Settings.from_env({"ASSESS_LAKE": f"{url}/lake", "ASSESS_EXHAUSTS": f"{url}/exhausts"}, str(tmp_path))
    return open_stores(settings)._replace(hot=cassandra_hot), settings


def test_nothing_of_the_learner_stays_in_cassandra_and_in_the_bucket(
    on_servers: tuple[Stores, Settings],
) -> None:
    stores, settings = on_servers
    stores = stores_of(stores.hot, stores.log, stores.lake, stores.exhausts)._replace(keys=stores.keys)
    take(stores, SECRET, "u1", "u2")
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    clear([W5], stores, NOW)
    take(stores, SECRET, "u3", weeks=1)
    archive([W6], stores, NOW)
    verify([W6], stores, NOW)
    write_exhaust(stores, SCORES, ticket=NewTicket(52 * WEEK, lambda: NOW))
    [ticket] = stores.lake.tickets.all()

    receipt = erase(stores, BESIDES, [SECRET], ORDER)

    mentions = Mentions([SECRET])
    assert [name for name, texts in stores.lake.traces.texts() if are_in(texts, mentions)] == []
    assert not any(SECRET.encode() in Store(at(settings.lake)).read(name) for name in Store(at(settings.lake)).names())
    sound(stores, W5, W6)
    assert take(stores, SECRET, "u1", "u2") == 0
    assert [user for user, _ in stores.hot.all_learners()] == ["u1", "u2", "u3"]
    assert reprint(stores, ticket.id, NOW).difference is not None
    assert [remaining.what for remaining in receipt.remaining] == ["hot store", "log", "backups"]
    assert list(find(stores, BESIDES, receipt, [SECRET], lambda name: None)) == []
    assert receipt.slices == {str(W5): 1, str(W6): 1}
