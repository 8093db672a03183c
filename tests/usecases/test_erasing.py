"""Erasing a learner: nothing of the learner stays, nothing of others changes, and a kill anywhere does no harm."""

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from assess_core.adapters.dagster.storage import DagsterStorage
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.erasing import Mentions, Order, is_order, parse_receipt, receipt_text
from assess_core.domain.holds import Target
from assess_core.domain.manifest import Action, broken, by_slice
from assess_core.domain.moments import DAY
from assess_core.domain.register import Kind
from assess_core.domain.report_jobs import new_job
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadErasure, VerifyFailed
from assess_core.ports.erasures import Besides
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import seals
from assess_core.usecases.archiving import Cleared, archive, clear, slice_views, verify
from assess_core.usecases.erasing import Step, are_in, erase, remembered
from assess_core.usecases.erasure_check import find
from assess_core.usecases.folding import Checks, fold
from assess_core.usecases.holds import add_hold, release_hold
from assess_core.usecases.restoring import restore
from assess_core.wiring import open_requests, open_stores
from tests.factories import MONDAY, RECEIVED, WEEK, decoded, event, failed_event
from tests.report_requests import job, request

pytestmark = pytest.mark.xdist_group("erasing")  # one worker makes the stores, once

BESIDES = Besides(MemoryRequests(), DagsterStorage(Path("/nonexistent")))
SECRET = "learner-4f1c9a"
NOW = MONDAY + 4 * WEEK
ORDER = Order("a director", "asked for it", NOW)
W5 = ArchiveSlice(IsoWeek(2024, 5), "b1")
W6 = ArchiveSlice(IsoWeek(2024, 6), "b1")


def take(stores: Stores, *users: str, weeks: int = 0, batch: str = "b1") -> int:
    events = [
        decoded(event(user=user, batch=batch, attempt=f"t{weeks}"), number, received=RECEIVED + weeks * WEEK)
        for number, user in enumerate(users)
    ]
    return fold(events, stores.hot, Checks(NoFacts(), keys=stores.keys)).stored


@pytest.fixture(scope="module")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of `filled`. It is made once, and each test gets a copy."""
    home = tmp_path_factory.mktemp("filled") / "home"
    stores = open_stores(
        Settings.from_env({"ASSESS_HOT_STORE": f"sqlite:///{home / 'hot.sqlite'}?shards=3"}, str(home))
    )
    take(stores, SECRET, "u1", "u2")
    take(stores, "u1", batch="b2")
    archive(stores.hot.held(), stores, NOW)
    verify([W5], stores, NOW)
    clear([W5], stores, NOW)
    take(stores, SECRET, "u3", weeks=1)
    archive([W6], stores, NOW)
    verify([W6], stores, NOW)
    stores.hot.add_failed([failed_event(raw=f'{{"userId": "{SECRET}", '.encode()), failed_event(offset=2)])
    return home


@pytest.fixture
def filled(filled_home: Path, settings: Settings) -> Stores:
    """Two weeks: the first archived and cleared, the second archived and in both tiers; a third batch untouched."""
    shutil.copytree(filled_home, settings.home)
    return open_stores(settings)


def traces(stores: Stores, settings: Settings, user: str = SECRET) -> list[str]:
    """The places where something of a learner is found, by decoding everything."""
    mentions = Mentions([user])
    found = [name for name, texts in stores.lake.traces.texts() if are_in(texts, mentions)]
    hot = Path(settings.home)
    found += [path.name for path in hot.glob("hot.sqlite*") if user.encode() in path.read_bytes()]
    return found


def sound(stores: Stores, *slices: ArchiveSlice) -> None:
    """Manifest and files agree, by a fresh verification."""
    assert broken(stores.lake.manifest()) == {}
    for slice_, found in verify(slices, stores, NOW).items():
        assert found.problem is None, f"{slice_}: {found.problem}"


def test_nothing_of_the_learner_stays_and_everything_of_others_does(filled: Stores, settings: Settings) -> None:
    assert traces(filled, settings)

    receipt = erase(filled, BESIDES, [SECRET], ORDER)

    assert traces(filled, settings) == []
    sound(filled, W5, W6)
    assert [user for user, _ in filled.hot.all_learners()] == ["u1", "u2", "u3"]
    rows = [row for chunk in filled.lake.rows(filled.lake.pin(), [W5, W6], answers=True) for row in chunk]
    assert sorted(row.key.user_id for row in rows) == ["u1", "u2", "u3"]
    assert [event.offset for event in filled.hot.every_failed()] == [2]
    assert receipt.slices == {str(W5): 1, str(W6): 1}
    assert [len(receipt.files_before), len(receipt.files_after)] == [2, 2]
    assert {place.name: (place.before, place.after) for place in receipt.places}["hot store: entries"] == (2, 0)


@pytest.mark.parametrize("user", ["1", "true", "userId"])
def test_failed_events_and_requests_of_others_stay_whatever_the_id_is(stores: Stores, user: str) -> None:
    take(stores, user, "u2")
    other, own = b'{"userId": "u2", "score": 1, "ok": true', f'{{"userId": "{user}", "score": 2'.encode()
    stores.hot.add_failed([failed_event(raw=own), failed_event(offset=2, raw=other)])
    requests = MemoryRequests()
    others = request()
    of_user = msgspec.structs.replace(others, spec=msgspec.structs.replace(others.spec, learner=user))
    jobs = [requests.add(new_job(one, NOW)) for one in (others, request(requester=user), of_user)]
    besides = BESIDES._replace(requests=requests)

    receipt = erase(stores, besides, [user], ORDER)

    assert [event.offset for event in stores.hot.every_failed()] == [2]
    assert [job.id for job in requests.every()] == [jobs[0].id]
    found = list(find(stores, besides, receipt, [user], lambda _name: None))
    assert not [place for place in found if place.startswith(("requests", "hot store: failed events"))]


def test_the_manifest_says_how_many_rows_left_each_slice_and_what_stays(filled: Stores) -> None:
    erase(filled, BESIDES, [SECRET], ORDER)

    chain = sorted(filled.lake.manifest([W5]), key=lambda each: each.number)
    assert [each.action for each in chain][-2:] == [Action.ERASED, Action.VERIFIED]
    erased = chain[-2]
    assert (erased.cleared, erased.contents.versions) == (1, 2)
    assert filled.lake.manifest([ArchiveSlice(IsoWeek(2024, 5), "b2")])[-1].action is not Action.ERASED


@pytest.mark.long
def test_a_slice_of_which_nothing_is_left_is_verified_and_cleared(filled: Stores) -> None:
    take(filled, SECRET, batch="b3")
    only = ArchiveSlice(IsoWeek(2024, 5), "b3")
    archive([only], filled, NOW)
    verify([only], filled, NOW)
    clear([only], filled, NOW)

    erase(filled, BESIDES, [SECRET], ORDER)

    assert by_slice(filled.lake.manifest([only]))[only].is_verified
    assert clear([only], filled, NOW)[only] == Cleared(0, 0)
    [found] = slice_views(filled, NOW, DAY, None, "b3")
    assert found.next_steps == ()


def test_an_erased_slice_can_still_be_cleared_and_restored(filled: Stores) -> None:
    erase(filled, BESIDES, [SECRET], ORDER)

    assert clear([W6], filled, NOW)[W6].cleared == 1
    assert restore([W5], filled, NOW)[W5].rows == 2


def test_a_replay_of_the_log_does_not_bring_the_learner_back(filled: Stores, settings: Settings) -> None:
    erase(filled, BESIDES, [SECRET], ORDER)

    assert take(filled, SECRET, "u1", "u2") == 0
    assert take(filled, SECRET, weeks=3) == 0
    assert traces(filled, settings) == []


@pytest.mark.long
@pytest.mark.parametrize("step", list(Step))
def test_an_erasure_that_was_killed_is_finished_by_the_next_one(filled: Stores, settings: Settings, step: Step) -> None:
    def die(reached: Step) -> None:
        if reached is step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        erase(filled, BESIDES, [SECRET], ORDER, reached=die)
    assert take(filled, SECRET, weeks=2) == 0, "the order is in force"
    receipt = erase(filled, BESIDES, [SECRET], Order("another", "again", NOW + 1))

    assert traces(filled, settings) == []
    sound(filled, W5, W6)
    assert receipt.ordered_at < receipt.finished_at
    assert len([each for each in filled.lake.manifest() if each.action is Action.ERASED]) == 2


@pytest.mark.long
@pytest.mark.parametrize("when", ["record", "replace", "verify"])
def test_a_kill_between_the_manifest_and_the_files_is_finished_by_the_next_erasure(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    name = "replace" if when == "replace" else "record"
    calls, real = 0, getattr(type(filled.lake), name)

    def dying(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == {"record": 1, "replace": 1, "verify": 2}[when]:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(type(filled.lake), name, dying)
        with pytest.raises(KeyboardInterrupt):
            erase(filled, BESIDES, [SECRET], ORDER)
    erase(filled, BESIDES, [SECRET], ORDER)

    assert traces(filled, settings) == []
    sound(filled, W5, W6)


def test_verify_says_that_an_erasure_was_killed(filled: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(filled.lake), "replace", die)
        with pytest.raises(KeyboardInterrupt):
            erase(filled, BESIDES, [SECRET], ORDER)

    problem = verify([W5], filled, NOW)[W5].problem
    assert problem is not None
    assert "run `assess erase` again" in problem


def test_a_damaged_week_is_not_touched_and_everything_else_is_erased(filled: Stores) -> None:
    [file] = filled.lake.pin().files([W5.week])
    content = Path(file.url).read_bytes()
    Path(file.url).write_bytes(content[:200] + b"xx" + content[202:])

    with pytest.raises(VerifyFailed, match="week 2024-W05 was not touched"):
        erase(filled, BESIDES, [SECRET], ORDER)
    assert SECRET not in [user for user, _ in filled.hot.all_learners()]

    Path(file.url).write_bytes(content)
    assert erase(filled, BESIDES, [SECRET], ORDER).slices == {str(W5): 1}


def test_an_archiver_that_read_the_hot_store_before_the_erasure_cannot_bring_rows_into_the_lake(
    stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(stores, "u0")
    archive([W5], stores, NOW)
    take(stores, SECRET, "u1", weeks=1)
    real = type(stores.lake).append
    with monkeypatch.context() as patched:

        def late(*arguments: object) -> int:
            patched.setattr(type(stores.lake), "append", real)
            erase(stores, BESIDES, [SECRET], ORDER)
            return real(*arguments)  # type: ignore[arg-type]

        patched.setattr(type(stores.lake), "append", late)
        archive([W6], stores, NOW)

    sound(stores, W5, W6)
    rows = [row for chunk in stores.lake.rows(stores.lake.pin(), [W6], answers=True) for row in chunk]
    assert [row.key.user_id for row in rows] == ["u1"]


def test_a_draft_that_lacks_a_row_of_somebody_else_is_not_committed(
    filled: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = type(filled.lake).rewritten

    def without_another(lake: object, pinned: object, week: object, *, without_learners: list[str]) -> object:
        return real(lake, pinned, week, without_learners=[*without_learners, "u1"])  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(type(filled.lake), "rewritten", without_another)
        with pytest.raises(VerifyFailed, match="other rows of"):
            erase(filled, BESIDES, [SECRET], ORDER)

    assert Action.ERASED not in {entry.action for entry in filled.lake.manifest([W5])}


@pytest.mark.long
def test_a_backup_that_was_restored_is_erased_again_without_the_ids(
    filled: Stores, settings: Settings, tmp_path: Path
) -> None:
    lake, copy = Path(settings.lake), tmp_path / "backup"
    shutil.copytree(lake / "attempts", copy)
    erase(filled, BESIDES, [SECRET], ORDER)
    shutil.rmtree(lake / "attempts")
    shutil.copytree(copy, lake / "attempts")
    restored = open_stores(settings)
    assert traces(restored, settings)

    assert remembered(restored) == {SECRET}
    erase(restored, BESIDES, remembered(restored), ORDER)

    assert traces(restored, settings) == []
    assert remembered(restored) == set()
    sound(restored, W5, W6)


def test_several_learners_cost_one_rewrite_of_a_week(filled: Stores) -> None:
    before = filled.lake.pin().version
    erase(filled, BESIDES, [SECRET, "u1"], ORDER)
    together = filled.lake.pin().version - before

    assert together == 4, "one commit for each week, and two that refuse prepared commits"


def test_an_order_under_an_older_key_is_not_written_again(filled: Stores, settings: Settings) -> None:
    erase(filled, BESIDES, [SECRET], ORDER)
    ring = Path(settings.erasure_keys)
    ring.write_text("12" * 32 + "\n" + ring.read_text())

    erase(filled, BESIDES, [SECRET, "u1"], ORDER)

    orders = [record for record in filled.hot.register.all(Kind.ERASURE) if is_order(record)]
    assert len(orders) == 2
    assert take(filled, SECRET, "u1") == 0


def test_a_seal_of_before_still_holds(filled: Stores) -> None:
    seal = seals.seal(filled.lake, NOW)
    erase(filled, BESIDES, [SECRET], ORDER)

    assert not seals.check(filled.lake, seal).problems


def test_requests_and_holds_that_name_the_learner_are_removed(filled: Stores, settings: Settings) -> None:
    hold = add_hold(filled, Target.LEARNER, SECRET, "an office", "a case", NOW - 2)
    release_hold(filled, hold.id, "an office", "closed", NOW - 1)
    besides = Besides(open_requests(settings), BESIDES.runs)
    besides.requests.add(job("b1", requester=SECRET))
    besides.requests.add(job("b2", requester="u1"))

    erase(filled, besides, [SECRET], ORDER)

    for register in (filled.hot.register, filled.lake.register):
        assert register.all(Kind.HOLD) == register.all(Kind.RELEASE) == []
    assert len(list(besides.requests.every())) == 1
    assert traces(filled, settings) == []


def test_a_temporary_file_of_a_killed_writer_is_erased_too(filled: Stores, settings: Settings) -> None:
    left = Path(settings.lake) / "register" / "hold" / ".exhaust-1.tmp"
    left.parent.mkdir(parents=True)
    left.write_text(SECRET)

    erase(filled, BESIDES, [SECRET], ORDER)

    assert traces(filled, settings) == []


def test_a_report_that_a_killed_process_did_not_finish_is_erased_unread(filled: Stores) -> None:
    unfinished = Path(filled.exhausts.path("jobs/.exhaust-1.tmp"))
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(gzip.compress(SECRET.encode())[:-8])

    erase(filled, BESIDES, [SECRET], ORDER)

    assert not unfinished.exists()


def test_a_learner_that_no_store_knows_is_remembered_all_the_same(filled: Stores) -> None:
    receipt = erase(filled, BESIDES, ["unknown"], ORDER)

    assert receipt.slices == {}
    assert take(filled, "unknown") == 0


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("x", " "), (f"{SECRET} asked", "x"), ("x", f"by {SECRET}.")])
def test_an_order_without_a_reason_or_with_the_id_in_it_is_refused(filled: Stores, by: str, reason: str) -> None:
    with pytest.raises(BadErasure):
        erase(filled, BESIDES, [SECRET], Order(by, reason, NOW))
    assert SECRET in [user for user, _ in filled.hot.all_learners()]


def changes(text: bytes) -> Iterator[bytes]:
    for at in range(0, len(text), 37):
        yield text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]


def test_a_receipt_that_was_changed_by_one_character_is_refused(filled: Stores) -> None:
    receipt = erase(filled, BESIDES, [SECRET], ORDER)
    text, ring = receipt_text(receipt), filled.keys.all()

    assert parse_receipt(text, ring) == receipt
    assert SECRET.encode() not in text
    for changed in changes(text):
        with pytest.raises(BadErasure):
            parse_receipt(changed, ring)
