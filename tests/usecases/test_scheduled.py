"""Scheduled reports: a file for each batch and day, also if a run is repeated."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from assess_core.domain.moments import DAY
from assess_core.domain.schedules import Schedule, Schedules, parse_schedules
from assess_core.errors import BadRequest, StoreUnavailable
from assess_core.ports.stores import Stores
from assess_core.usecases.scheduled import ScheduledReport, State, chosen_schedules, run_schedule
from tests.adapters.test_names import opened
from tests.factories import MONDAY, event, version
from tests.lakes import keep
from tests.loop import take

FILE = """
[[schedule]]
name = "scores"
every = "monday"
at = "00:00"
prefix = "board"
report = "score"
batchPattern = "b*"

[[schedule]]
name = "evening"
every = "monday"
at = "20:00"
report = "response"
batchFilter = ["b1", "x1"]
"""


def schedules(text: str = FILE) -> Schedules:
    found = parse_schedules(text.encode(), "s.toml")
    assert not found.problems
    return found


SCORES, EVENING = schedules().entries


def run(stores: Stores, schedule: Schedule = SCORES, now: int = MONDAY, **options: bool) -> Sequence[ScheduledReport]:
    return list(run_schedule(stores, schedule, now, **options))


def files(stores: Stores) -> dict[str, bytes]:
    root = Path(stores.exhausts.path(""))
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def put(stores: Stores, *batches: str) -> None:
    keep(stores.hot, [version(batch_id=batch_id) for batch_id in batches])


def test_a_period_is_that_of_the_run_and_a_repeated_run_of_the_day_finds_its_file(stores: Stores) -> None:
    [entry] = schedules(FILE.split('[[schedule]]\nname = "evening')[0] + 'period = "last week"\n').entries
    before, now = version(user_id="u1", received=MONDAY - 1), version(user_id="u2", received=MONDAY)
    keep(stores.hot, [before, now])

    [first] = run(stores, entry)
    [later] = run(stores, entry, MONDAY + 7 * DAY)

    assert (first.state, first.rows, later.state, later.rows) == (State.WRITTEN, 1, State.WRITTEN, 1)
    assert first.path is not None
    assert later.path is not None
    assert "u1" in Path(first.path).read_text()
    assert "u2" in Path(later.path).read_text()
    assert [done.state for done in run(stores, entry, MONDAY + DAY - 1)] == [State.THERE]


def test_a_repeated_run_writes_a_report_again_whose_picture_is_missing_or_changed(stores: Stores) -> None:
    [entry] = schedules(FILE.split('[[schedule]]\nname = "evening')[0] + 'pictures = ["svg"]\n').entries
    put(stores, "b1")
    [first] = run(stores, entry)
    assert [done.state for done in run(stores, entry)] == [State.THERE]
    picture = Path(f"{first.path}.scores.svg")

    picture.write_text("changed")
    assert [done.state for done in run(stores, entry)] == [State.WRITTEN]
    picture.unlink()
    assert [done.state for done in run(stores, entry)] == [State.WRITTEN]
    assert picture.exists()


def test_each_matching_batch_gets_a_file_below_prefix_name_and_day(stores: Stores) -> None:
    put(stores, "b1", "b2", "c1")
    done = run(stores)

    assert [(report.batch_id, report.state, report.rows) for report in done] == [
        ("b1", State.WRITTEN, 1),
        ("b2", State.WRITTEN, 1),
    ]
    day = SCORES.folder(MONDAY)
    assert day.startswith("board/scores/20")
    assert set(files(stores)) == {f"{day}/{name}" for name in ("b1.csv", "b1.csv.json", "b2.csv", "b2.csv.json")}


def test_a_repeated_run_of_the_day_changes_no_file_also_after_new_attempts(stores: Stores) -> None:
    put(stores, "b1")
    run(stores)
    before = files(stores)
    keep(stores.hot, [version(batch_id="b1", attempt_id="late")])
    put(stores, "b2")

    again = run(stores, now=MONDAY + DAY - 1)

    assert [(report.batch_id, report.state, report.rows) for report in again] == [
        ("b1", State.THERE, 1),
        ("b2", State.WRITTEN, 1),
    ]
    assert {name: content for name, content in files(stores).items() if "b1" in name} == before


def test_the_next_day_has_files_of_its_own(stores: Stores) -> None:
    put(stores, "b1")
    run(stores)
    assert run(stores, now=MONDAY + 7 * DAY)[0].state is State.WRITTEN
    assert len(files(stores)) == 4


def test_a_file_can_be_written_again_on_demand(stores: Stores) -> None:
    put(stores, "b1")
    run(stores)
    keep(stores.hot, [version(batch_id="b1", attempt_id="late")])
    [report] = run(stores, again=True)
    assert (report.state, report.rows) == (State.WRITTEN, 2)
    assert len(files(stores)) == 2


@pytest.mark.parametrize("damage", ["no sidecar", "no report", "cut report", "cut sidecar", "another spec"])
def test_a_file_that_is_not_proven_is_written_again(damage: str, stores: Stores) -> None:
    put(stores, "b1")
    [report] = run(stores)
    path = Path(str(report.path))
    content, sidecar = path.read_bytes(), Path(f"{path}.json")
    if damage == "no sidecar":
        sidecar.unlink()
    elif damage == "no report":
        path.unlink()
    elif damage == "cut report":
        path.write_bytes(content[:-1])
    elif damage == "cut sidecar":
        sidecar.write_bytes(sidecar.read_bytes()[:-10])
    else:
        found = json.loads(sidecar.read_bytes())
        sidecar.write_text(json.dumps({**found, "spec": {**found["spec"], "learner": "u9"}}))

    assert run(stores)[0].state is State.WRITTEN
    assert path.read_bytes() == content
    assert run(stores)[0].state is State.THERE


def test_a_pattern_that_matches_nothing_is_said(stores: Stores) -> None:
    put(stores, "c1")
    [report] = run(stores)
    assert report[:5] == ("scores", None, State.NOTHING, None, None)
    assert "no batch matches 'b*'" in str(report.message)
    assert files(stores) == {}


def test_a_batch_that_fails_does_not_stop_the_others(stores: Stores) -> None:
    take(stores, event(batch="b1"))
    done = run(stores, EVENING)
    assert [(report.batch_id, report.state) for report in done] == [("b1", State.WRITTEN), ("x1", State.FAILED)]
    assert "no store knows batch 'x1'" in str(done[1].message)


def test_a_source_of_names_that_is_missing_fails_the_report_by_name(stores: Stores, tmp_path: Path) -> None:
    take(stores, event(batch="b1"))
    stores = stores._replace(names=opened(str(tmp_path / "no.csv")))
    assert "no.csv' cannot be read" in str(run(stores, EVENING)[0].message)


def test_an_outage_ends_the_run_so_that_a_later_one_continues(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    put(stores, "b1", "b2")

    def full(name: str) -> object:
        raise StoreUnavailable("the disk is full; free some room")

    with monkeypatch.context() as patched:
        patched.setattr(stores.exhausts, "atomic_write", full)
        with pytest.raises(StoreUnavailable):
            run(stores)
    assert [report.state for report in run(stores)] == [State.WRITTEN, State.WRITTEN]


def test_without_names_the_schedules_that_are_due_are_chosen() -> None:
    found = schedules()
    start = MONDAY // DAY * DAY
    assert chosen_schedules(found, (), start + 10) == [SCORES]
    assert chosen_schedules(found, (), start + 20 * 3_600_000) == [SCORES, EVENING]
    assert chosen_schedules(found, (), start + DAY) == []
    assert chosen_schedules(found, ("evening",), start + DAY) == [EVENING]


def test_an_unknown_schedule_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"no valid schedule is named 'nope'; s\.toml has scores, evening"):
        chosen_schedules(schedules(), ("nope",), MONDAY)
