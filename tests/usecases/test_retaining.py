"""Retention by rule: what is due, what is done, and what wins when two of them meet."""

from collections.abc import Callable
from pathlib import Path

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.holds import Target
from assess_core.domain.moments import DAY
from assess_core.domain.report_spec import Report
from assess_core.domain.retention import Deed, Rules, parse_rules
from assess_core.domain.slice_status import SliceStatus
from assess_core.domain.slices import ArchiveSlice, Unread
from assess_core.errors import HoldInForce
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, slice_views, verify
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.holds import add_hold, release_hold, require_no_hold
from assess_core.usecases.retaining import clearable, plan_retention, retain
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.tickets import reprint
from tests.factories import RECEIVED, WEEK, event, version
from tests.lakes import asked, copies_of, held, keep, stores_over
from tests.loop import NOW, put_away, take

W5, W6 = (ArchiveSlice.parse(f"b1|2024-W{week:02}") for week in (5, 6))
WHO = ("examinations office", "case 12", NOW)
DROP = parse_rules(b'[[rule]]\nhot = "1 day"\ndrop = "300 days"', "retention.toml")
OLD, NEW = version(), version(received=RECEIVED + WEEK)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return stores_over(MemoryHot(), tmp_path)


def planned(stores: Stores, rules: Rules = DROP, now: int = NOW) -> list[tuple[str, Deed, bool]]:
    """Slice, action and whether it would be done."""
    return [
        (str(each.slice), each.deed, each.stopped is None) for each in plan_retention(stores, rules, now, DAY, None)
    ]


def status(stores: Stores, slice_: ArchiveSlice = W5) -> SliceStatus:
    return next(view.status for view in slice_views(stores, NOW, 0, None) if view.slice == slice_)


def test_a_slice_is_cleared_and_dropped_when_it_is_old_enough(stores: Stores) -> None:
    keep(stores.hot, [OLD, NEW])
    archive([W5, W6], stores, NOW)
    verify([W5, W6], stores, NOW)
    at = W5.week.end + 300 * DAY  # only week 5 is old enough

    assert planned(stores, now=at) == [
        (str(W5), Deed.CLEAR, True),
        (str(W5), Deed.DROP, True),  # after its clear
        (str(W6), Deed.CLEAR, True),
    ]
    done = retain(stores, DROP, at, DAY, None)

    assert ({*done.cleared}, {*done.dropped}, done.stopped) == ({W5, W6}, {W5}, [])
    assert (status(stores, W5), status(stores, W6)) == (SliceStatus.DROPPED, SliceStatus.CLEARED)
    assert planned(stores, now=at) == []


def test_nothing_is_due_a_moment_earlier(stores: Stores) -> None:
    keep(stores.hot, [OLD])
    put_away(stores)

    assert planned(stores, now=W5.week.end + 300 * DAY - 1) == []
    assert planned(stores, now=W5.week.end + 300 * DAY) == [(str(W5), Deed.DROP, True)]


def test_the_plan_names_the_rule_the_rows_and_since_when(stores: Stores) -> None:
    keep(stores.hot, [OLD])
    put_away(stores)

    [found] = plan_retention(stores, DROP, NOW, DAY, None)

    assert (str(found.rule), found.rows, found.due) == ("rule 1 (*)", 1, W5.week.end + 300 * DAY)


def test_without_rules_verified_slices_are_cleared_and_nothing_is_dropped(stores: Stores) -> None:
    keep(stores.hot, [OLD])
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)

    assert planned(stores, ()) == [(str(W5), Deed.CLEAR, True)]


def test_an_exception_before_a_general_rule_keeps_its_batches(stores: Stores) -> None:
    rules = parse_rules(b'[[rule]]\nbatches = "b1"\n[[rule]]\ndrop = "300 days"', "retention.toml")
    keep(stores.hot, [OLD, version(batch_id="b2")])
    put_away(stores)

    assert planned(stores, rules) == [("b2|2024-W05", Deed.DROP, True)]


# --- what wins: docs/retention.md has this table ---


def nothing(stores: Stores) -> None:
    """No obstacle."""


def hold_on(target: Target, of: str) -> Callable[[Stores], None]:
    def enter(stores: Stores) -> None:
        add_hold(stores, target, of, *WHO)

    return enter


def released(stores: Stores) -> None:
    release_hold(stores, add_hold(stores, Target.BATCH, "b1", *WHO).id, *WHO)


def over(stores: Stores) -> None:
    add_hold(stores, Target.BATCH, "b1", "examinations office", "case 12", RECEIVED, until=NOW)


def hold_elsewhere(stores: Stores) -> None:
    add_hold(stores, Target.BATCH, "b2", *WHO)
    add_hold(stores, Target.LEARNER, "u9", *WHO)


def hold_of_another_learner(stores: Stores) -> None:
    """u2 has attempts in the slice of u1."""
    add_hold(stores, Target.LEARNER, "u2", *WHO)


def ticket(stores: Stores) -> None:
    write_exhaust(stores, asked("b1", Report.SCORE), ticket=NewTicket(DAY, lambda: NOW))


HELD = (
    hold_on(Target.BATCH, "b1"),
    hold_on(Target.LEARNER, "u1"),
    hold_on(Target.ASSESSMENT, "a1"),
)
CELLS = [  # the obstacle; whether these are done: clear by rule, clear by name, drop, erasure of u1
    (nothing, True, True, True, True),
    *((held, False, True, False, False) for held in HELD),
    (hold_of_another_learner, False, True, False, True),
    (hold_elsewhere, True, True, True, True),
    (released, True, True, True, True),
    (over, True, True, True, True),
    (ticket, True, True, True, True),
]


@pytest.mark.long
@pytest.mark.parametrize(("obstacle", "by_rule", "by_name", "dropped", "erased"), CELLS)
def test_what_wins_when_two_meet(
    stores: Stores,
    obstacle: Callable[[Stores], None],
    by_rule: bool,
    by_name: bool,
    dropped: bool,
    erased: bool,
) -> None:
    take(stores, event(), event(user="u2"))
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    obstacle(stores)

    allowed, reasons = clearable([W5], stores, (), NOW)
    assert (bool(allowed), bool(reasons)) == (by_rule, not by_rule)
    assert (clear([W5], stores, NOW)[W5].cleared == 2) == by_name
    assert planned(stores) == [(str(W5), Deed.DROP, dropped)]
    assert (retain(stores, DROP, NOW, DAY, None).dropped != {}) == dropped
    assert (status(stores) is SliceStatus.DROPPED) == dropped
    if erased:
        require_no_hold(stores.hot, ["u1"], NOW)
    else:
        with pytest.raises(HoldInForce):
            require_no_hold(stores.hot, ["u1"], NOW)


def test_a_ticket_keeps_the_files_of_a_dropped_slice_and_prints_the_old_report(stores: Stores) -> None:
    take(stores, event())
    put_away(stores)
    written = write_exhaust(stores, asked("b1", Report.SCORE), ticket=NewTicket(DAY, lambda: NOW))

    done = retain(stores, DROP, NOW, DAY, None)

    assert (len(done.dropped), done.vacuumed.deleted) == (1, [])
    again = reprint(stores, str(written.sidecar.ticket), NOW)
    assert again.written.sidecar.sha256 == written.sidecar.sha256


def test_a_hold_survives_the_loss_of_the_hot_store(stores: Stores) -> None:
    keep(stores.hot, [OLD])
    put_away(stores)
    hold_on(Target.BATCH, "b1")(stores)

    rebuilt = stores._replace(hot=MemoryHot())

    assert retain(rebuilt, DROP, NOW, DAY, None).dropped == {}
    assert held(stores.lake) == copies_of([OLD])


def test_a_slice_that_was_not_verified_is_never_dropped(stores: Stores) -> None:
    keep(stores.hot, [OLD])
    archive([W5], stores, NOW)

    [found] = plan_retention(stores, DROP, NOW, DAY, None)
    assert (found.deed, found.stopped) == (Deed.DROP, "its last archive is not verified; verify it first")


def test_a_slice_whose_verification_failed_is_never_dropped(stores: Stores) -> None:
    keep(stores.hot, [OLD, NEW])
    put_away(stores)
    [file] = stores.lake.pin().files([W5.week])
    good = Path(file.url).read_bytes()
    Path(file.url).write_bytes(good[:-200] + bytes(200))
    verify([W5], stores, NOW)
    Path(file.url).write_bytes(good)

    [found, _] = plan_retention(stores, DROP, NOW, DAY, None)
    assert found.stopped is not None
    assert retain(stores, DROP, NOW, DAY, None).dropped.keys() == {W6}


def test_a_slice_that_the_log_can_still_add_to_is_never_dropped(stores: Stores) -> None:
    keep(stores.hot, [OLD])
    put_away(stores)

    [found] = plan_retention(stores, DROP, NOW, DAY, Unread("1 file"))
    assert "it is open: the log has unread events" in (found.stopped or "")


def test_rows_that_arrived_after_a_clear_are_never_dropped_with_the_slice(stores: Stores) -> None:
    keep(stores.hot, [OLD])
    put_away(stores)
    keep(stores.hot, [version(user_id="late")])

    found = {each.deed: each.stopped for each in plan_retention(stores, DROP, NOW, DAY, None)}
    assert found[Deed.DROP] == "1 row arrived in the hot store after it was cleared: archive, verify and clear again"
    done = retain(stores, DROP, NOW, DAY, None)
    assert done.dropped == {}
    why = "1 row stays, because the lake does not hold it; archive, verify and clear again"
    assert ([deed[2:] for deed in done.deeds()], done.refused) == ([(0, why)], [])


@pytest.mark.long
def test_first_the_answers_go_and_later_the_scores(stores: Stores) -> None:
    keep(stores.hot, [OLD, NEW])
    put_away(stores)
    rules = parse_rules(b'[[rule]]\nanswers = "300 days"\ndrop = "600 days"', "retention.toml")
    at = W5.week.end + 300 * DAY
    assert planned(stores, rules, at) == [(str(W5), Deed.KEEP_SCORES, True)]

    done = retain(stores, rules, at, DAY, None)

    assert [*done.deeds()] == [(W5, Deed.KEEP_SCORES, 1, None)]
    assert (held(stores.lake), status(stores)) == (copies_of([NEW]), SliceStatus.DROPPED)
    assert planned(stores, rules, at) == []
    later = W5.week.end + 600 * DAY
    assert planned(stores, rules, later) == [(str(W5), Deed.DROP, True), (str(W6), Deed.KEEP_SCORES, True)]
    assert {slice_: found.scores for slice_, found in retain(stores, rules, later, DAY, None).dropped.items()} == {
        W5: 0,
        W6: 1,
    }
    assert stores.lake.slices(stores.lake.pin_scores(), W5.week) == []


@pytest.mark.long
@pytest.mark.parametrize(("target", "of"), [(Target.BATCH, "b1"), (Target.LEARNER, "u1"), (Target.ASSESSMENT, "a1")])
def test_a_hold_stops_a_drop_that_keeps_scores_and_the_drop_of_these_scores(
    stores: Stores, target: Target, of: str
) -> None:
    keep(stores.hot, [OLD])
    put_away(stores)
    rules = parse_rules(b'[[rule]]\nanswers = "1 day"\ndrop = "300 days"', "retention.toml")
    hold = add_hold(stores, target, of, *WHO)
    soon = W5.week.end + 2 * DAY
    assert planned(stores, rules, soon) == [(str(W5), Deed.KEEP_SCORES, False)]
    release_hold(stores, hold.id, *WHO)
    retain(stores, rules, soon, DAY, None)

    add_hold(stores, target, of, "examinations office", "case 13", NOW)

    assert planned(stores, rules, NOW) == [(str(W5), Deed.DROP, False)]


def test_a_file_that_cannot_be_read_counts_as_held(stores: Stores) -> None:
    keep(stores.hot, [OLD])
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    add_hold(stores, Target.LEARNER, "nobody", *WHO)
    [file] = stores.lake.pin().files()
    Path(file.url).write_bytes(b"nonsense")

    allowed, reasons = clearable([W5], stores, (), NOW)
    assert allowed == []
    assert reasons[W5].startswith("it is unknown whether a hold protects it: ")
