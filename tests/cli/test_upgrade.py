"""`assess upgrade` on the stores that the first version wrote."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from assess_core.adapters.sqlite import tables
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive
from assess_core.wiring import open_stores
from tests.adapters.test_sqlite import execute
from tests.adapters.test_sqlite_file import VERSION_1
from tests.cli.conftest import Assess
from tests.factories import version
from tests.lakes import keep

NOW = 1_800_000_000_000  # milliseconds since 1970; the week of the version is over
KEPT = "delta.deletedFileRetentionDuration"


@pytest.fixture
def earlier(settings: Settings, tmp_path: Path) -> tuple[Settings, DeltaTable]:
    """A hot store with version 1 of the schema, and a lake whose table `attempts` has the settings of Delta."""
    stores = open_stores(settings)
    keep(stores.hot, [version()])
    archive(stores.hot.slices(), stores, NOW)
    table = DeltaTable(str(tmp_path / "home" / "lake" / "attempts"))
    table.alter.set_table_properties({KEPT: "interval 7 days"})
    (tmp_path / "old").mkdir()
    old = tmp_path / "old" / "hot.sqlite"
    for sql in VERSION_1:
        execute(old, sql)
    return settings._replace(hot_store=f"sqlite:///{old}"), table


def test_an_upgrade_changes_the_stores_of_an_earlier_version_once(
    earlier: tuple[Settings, DeltaTable], assess: Assess
) -> None:
    settings, table = earlier
    env = {"ASSESS_HOT_STORE": settings.hot_store}

    first, second = (assess("upgrade", env=env) for _ in range(2))

    assert first.exit_code == second.exit_code == 0
    assert "lake: new settings for attempts\n" in first.stderr
    assert f"schema version {tables.SCHEMA_VERSION}" in first.stderr
    assert "lake: its tables are those of this version\n" in second.stderr
    table.update_incremental()
    assert table.metadata().configuration[KEPT] == "interval 90 days"


def test_an_upgrade_of_new_stores_changes_nothing(assess: Assess) -> None:
    done = assess("upgrade")

    assert done.exit_code == 0
    assert "lake: its tables are those of this version\n" in done.stderr
