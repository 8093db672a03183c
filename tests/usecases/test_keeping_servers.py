"""The same drop that keeps scores with servers: the hot store in Cassandra, lake and reports in a bucket."""

from pathlib import Path

import pytest

from assess_core.domain.erasing import Mentions
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.compacting import vacuum
from assess_core.usecases.dropping import Dropped, drop
from assess_core.usecases.erasing import are_in, erase
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.restoring import begin_rebuild, rebuild
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.tickets import reprint
from assess_core.wiring import open_stores, stores_of
from tests.conftest import Hot
from tests.factories import WEEK
from tests.lakes import asked
from tests.places import in_s3
from tests.servers import S3
from tests.usecases.test_erasing import BESIDES, NOW, ORDER, SECRET, W5, take

pytestmark = pytest.mark.usefixtures("erases")
SUMMARY = asked("b1", Report.SUMMARY)


def digest(stores: Stores, spec: ReportSpec) -> str:
    return write_exhaust(stores, spec).sidecar.sha256


def test_scores_are_kept_reported_proved_rebuilt_and_erased(
    s3: S3, cassandra_hot: Hot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = in_s3(s3, monkeypatch)
    settings = Settings.from_env({"ASSESS_LAKE": f"{url}/lake", "ASSESS_EXHAUSTS": f"{url}/exhausts"}, str(tmp_path))
    opened = open_stores(settings)
    stores = stores_of(cassandra_hot, opened.log, opened.lake, opened.exhausts)._replace(keys=opened.keys)
    take(stores, SECRET, "u1", "u2")
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    clear([W5], stores, NOW)
    specs = (SUMMARY, asked("b1", Report.SCORE))
    before = [digest(stores, spec) for spec in specs]

    assert drop([W5], stores, NOW, keeping=[W5]) == {W5: Dropped(3, None, 3)}

    assert [digest(stores, spec) for spec in specs] == before
    assert verify([W5], stores, NOW)[W5].problem is None
    embedded = open_stores(settings)
    assert [rebuild(week, embedded).named for week in begin_rebuild(embedded)] == [3]
    written = write_exhaust(stores, SUMMARY, ticket=NewTicket(52 * WEEK, lambda: NOW))

    erase(stores, BESIDES, [SECRET], ORDER)

    mentions = Mentions([SECRET])
    assert [name for name, texts in stores.lake.traces.texts() if are_in(texts, mentions)] == []
    assert verify([W5], stores, NOW)[W5].problem is None
    assert reprint(stores, written.sidecar.ticket or "", NOW).written.rows == 2
    assert drop([W5], stores, NOW) == {W5: Dropped(0)}
    assert any(name.startswith("scores/") for name in vacuum(stores.lake, NOW, retain=0).deleted)
    assert reprint(stores, written.sidecar.ticket or "", NOW).written.rows == 2
