"""With lake and reports in a bucket, every answer and every byte is the same as with folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import ReportFailed
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import seals
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.restoring import begin_rebuild, rebuild, restore
from assess_core.usecases.weekly import refresh
from assess_core.wiring import open_stores, open_weekly
from tests.factories import MONDAY, RECEIVED, WEEK, event, version, wire_answer
from tests.lakes import asked, five_versions, keep
from tests.loop import NOW, everything, put_away, queries, take
from tests.places import Store, at, in_s3
from tests.servers import S3

W5: Final = ArchiveSlice.parse("b1|2024-W05")
W6: Final = ArchiveSlice.parse("b1|2024-W06")
REPORTS: Final = [
    *(asked("b1", report) for report in (Report.RESPONSE, Report.PROGRESS, Report.OVERVIEW)),
    *(asked("b'2", Report.RESPONSE, format_) for format_ in (Format.CSV, Format.ZIP, Format.PARQUET)),
]
"""Every way to write a file, from rows, from scores and with pictures; reports differ only in their SQL."""


@pytest.fixture
def in_bucket(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    url = in_s3(s3, monkeypatch)
    env = {"ASSESS_LAKE": f"{url}/lake", "ASSESS_EXHAUSTS": f"{url}/exhausts"}
    return Settings.from_env(env, str(tmp_path / "bucket"))


@pytest.fixture
def in_folders(tmp_path: Path) -> Settings:
    return Settings.from_env({}, str(tmp_path / "folders"))


def steps(settings: Settings) -> list[dict[str, Any]]:
    """Answers and bytes after events arrived, after their slices were cleared, and after late events were cleared."""
    stores = open_stores(settings)
    again = event("u1", answers=[wire_answer("q1", score=0.5), wire_answer("q2")], attempted=MONDAY + 5000)
    seen = []
    take(stores, event("u1"), event("u2", batch="b'2"), received=MONDAY)
    take(stores, event("u1", attempt="t2", answers=[]), again, received=MONDAY + WEEK)
    # each report costs 0.4 s of processor time with a bucket, so only the last time every report is written
    seen.append(answers(stores, settings, REPORTS[:1]))
    put_away(stores)
    seen.append(answers(stores, settings, REPORTS[-1:]))
    take(stores, event("u1"), again, event("u3", answers=[wire_answer('é "a", b')]), received=MONDAY + 9)
    put_away(stores)
    seen.append(answers(stores, settings, REPORTS))
    return seen


def answers(stores: Stores, settings: Settings, reports: Sequence[ReportSpec]) -> dict[str, Any]:
    found = everything(queries(stores), ["u1"], ["b1"], ["a1"])
    weeks = {slice_.week for slice_ in stores.hot.slices()}
    found["weekly activity"] = refresh(stores, open_weekly(settings), weeks).rows
    found["weekly activity, read"] = open_weekly(settings).rows()
    for wanted in reports:
        written = write_exhaust(stores, wanted)
        name = written.path.removeprefix(f"{settings.exhausts}/")
        found[name] = Store(at(settings.exhausts)).read(name)
    return found


def test_every_answer_and_every_byte_is_the_same_as_with_folders(in_bucket: Settings, in_folders: Settings) -> None:
    expected, found = steps(in_folders), steps(in_bucket)

    assert [sorted(each) for each in found] == [sorted(each) for each in expected]
    for each, other in zip(found, expected, strict=True):
        differing = [name for name in each if each[name] != other[name]]
        assert differing == []


@pytest.fixture
def verified(in_bucket: Settings) -> Stores:
    """Two weeks of a batch, archived and verified, not cleared."""
    stores = open_stores(in_bucket)
    keep(stores.hot, [*five_versions(), version(user_id="u9", received=RECEIVED + WEEK)])
    archive([W5, W6], stores, NOW)
    verify([W5, W6], stores, NOW)
    return stores


def first_file(stores: Stores, settings: Settings) -> tuple[Store, str, str]:
    """The location of the lake, and the name and the URL of its file of 2024-W05."""
    [file] = stores.lake.pin().files([IsoWeek(2024, 5)])
    return Store(at(settings.lake)), file.url.removeprefix(f"{settings.lake}/"), file.url


def test_the_error_for_a_file_that_was_changed_or_deleted_names_it(verified: Stores, in_bucket: Settings) -> None:
    store, name, url = first_file(verified, in_bucket)
    content = store.read(name)
    damages = {"missing": None, "cut": content[:-50], "changed": content[:-9] + b"x" + content[-8:], "empty": b""}
    for damage, damaged in damages.items():
        if damaged is None:
            store.remove(name)
        else:
            store.write(name, damaged)

        found = verify([W5, W6], verified, NOW)
        cleared = clear([W5, W6], verified, NOW)

        problem = found[W5].problem or ""
        assert problem.startswith(
            f"b1|2024-W05: the lake's file {url} {'is missing' if damage == 'missing' else 'cannot'}"
        )
        assert found[W6].problem is None
        assert (cleared[W5].cleared, cleared[W6].cleared) == (0, 1 if damage == "missing" else 0), "W6 is cleared once"
        with pytest.raises(ReportFailed, match=f"the lake's file {url} cannot be read, so nothing was reported"):
            write_exhaust(verified, asked("b1", Report.SCORE))

    store.write(name, content)
    assert verify([W5], verified, NOW)[W5].problem is None
    assert clear([W5], verified, NOW)[W5].cleared == 5


def test_lakes_whose_names_begin_alike_are_independent(in_bucket: Settings) -> None:
    beside = in_bucket._replace(lake=f"{in_bucket.lake}-2")
    first, second = open_stores(in_bucket), open_stores(beside)
    keep(first.hot, five_versions())

    archive([W5], first, NOW)

    assert first.lake.pin().version == 1
    assert second.lake.pin().version == -1
    assert second.lake.manifest() == []


def test_a_bucket_is_sealed_restored_from_and_rebuilt_from(in_bucket: Settings) -> None:
    stores = open_stores(in_bucket)
    take(stores, event("u1"), event("u2"), received=RECEIVED)
    put_away(stores)
    before = everything(queries(stores), ["u1", "u2"], ["b1"], ["a1"])

    old = seals.seal(stores.lake, NOW)
    restored = restore([W5], stores, NOW)
    new = seals.seal(stores.lake, NOW)
    cleared = clear([W5], stores, NOW)
    (in_bucket.home / "hot.sqlite").unlink()
    lost = open_stores(in_bucket)
    rebuilt = [rebuild(week, lost) for week in begin_rebuild(lost)]

    assert (restored[W5].rows, cleared[W5].cleared, rebuilt[0].named) == (2, 2, 2)
    assert everything(queries(lost), ["u1", "u2"], ["b1"], ["a1"]) == before
    assert (seals.check(lost.lake, new).problems, new.size) == ((), old.size + 1)
    assert seals.prove_consistency(lost.lake, old, new).path
    assert seals.prove(lost.lake, W5, new).leaf.number == new.size
