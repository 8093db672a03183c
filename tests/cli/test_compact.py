"""`assess compact` on the command line."""

import json

from assess_core.ports.stores import Stores
from tests.cli.conftest import Assess
from tests.factories import version
from tests.lakes import five_versions, keep, put


def archived_twice(assess: Assess, stores: Stores) -> None:
    keep(stores.hot, five_versions())
    assess("archive", "--closed")
    keep(stores.hot, [version(user_id="u9")])
    assess("archive", "--closed")


def test_weeks_of_small_files_are_rewritten_and_old_files_are_deleted(assess: Assess, stores: Stores) -> None:
    archived_twice(assess, stores)

    dry = json.loads(assess("compact", "--dry-run", "--vacuum", "--retain", "0s", "--json").stdout)
    done = assess("compact", "--vacuum", "--retain", "0s", "--json")
    again = assess("compact", "--vacuum")

    assert dry == {"weeks": ["2024-W05"], "deleted": [], "held": [], "tickets_deleted": [], "dry_run": True}
    [week] = json.loads(done.stdout)["weeks"]
    assert (week["week"], week["files_before"], week["files"], week["rows"]) == ("2024-W05", 2, 1, 6)
    deleted = [name.partition("/")[0] for name in json.loads(done.stdout)["deleted"]]
    assert deleted == ["attempts"] * 2 + ["archive_manifest"] * 3
    assert (again.stdout, again.stderr) == ("", "0 weeks compacted, 0 files fewer; 0 files deleted\n")
    assert assess("verify", "--closed").exit_code == 0


def test_a_week_that_differs_from_the_manifest_is_reported(assess: Assess, stores: Stores) -> None:
    for row in five_versions()[:2]:
        put(stores.lake, [row])  # as after an archiver was killed before it wrote its manifest entry

    result = assess("compact", "2024-W05")

    assert result.exit_code == 4
    assert "week 2024-W05 was not compacted: b1|2024-W05: it was never archived" in result.stderr
    assert result.stderr.endswith("assess: 1 of 1 weeks were not rewritten; resolve the problems above first\n")


def test_a_retention_that_is_not_in_whole_hours_is_refused_before_anything_is_rewritten(
    assess: Assess, stores: Stores
) -> None:
    archived_twice(assess, stores)
    files = stores.lake.pin().files()

    result = assess("compact", "--vacuum", "--retain", "30m")

    assert result.exit_code == 2
    assert "--retain: 30m is not a whole number of hours, which Delta requires; write 1h" in result.stderr
    assert stores.lake.pin().files() == files
