"""An explanation: the place, the proof and the event of every version, and the script that recomputes the score."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assess_core.domain.correction_records import Decision
from assess_core.domain.corrections import Correction, Drop, FullMarks, Key, Maximum, Scale
from assess_core.domain.corrections import Rule as Marking
from assess_core.domain.events import decode
from assess_core.domain.explanation import Rule
from assess_core.domain.moments import DAY, iso
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadRequest, StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.ports.log import Message
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import explaining
from assess_core.usecases.applying import apply
from assess_core.usecases.archiving import archive
from assess_core.usecases.compacting import compact
from assess_core.usecases.correcting import NamedCorrection
from assess_core.usecases.dropping import drop
from assess_core.usecases.explaining import Explanation
from assess_core.usecases.folding import Checks, fold
from assess_core.usecases.queries import Queries
from assess_core.usecases.story import story, value
from tests.factories import ATTEMPTED, RECEIVED, WEEK, event, wire_answer
from tests.loop import NOW, put_away, queries, take

PAGE = Path(__file__).parents[2] / "docs" / "explain.md"


def scored(score: float, **named: object) -> dict[str, object]:
    answers = [wire_answer(id="q1", score=score, maxscore=10.0), wire_answer(id="q2", score=0.1, maxscore=0.3)]
    return event(answers=answers, **named)


@pytest.fixture
def ask(stores: Stores) -> Queries:
    return queries(stores)


def one(ask: Queries, **asked: str) -> Explanation:
    [found] = ask.explain("u1", "a1", **asked)
    return found


def text(found: Explanation) -> str:
    return "\n".join(story(found))


def test_in_the_hot_store_a_version_has_its_receipt_and_an_open_slice(stores: Stores) -> None:
    take(stores, scored(8.0))
    [found] = explaining.explain(stores, RECEIVED + 1, DAY, "u1", "a1")
    [told] = found.versions
    [copy] = told.copies
    assert (copy.tier, copy.received_at, copy.sound, copy.file) == ("hot", RECEIVED, True, None)
    assert (str(told.slice.slice), told.slice.status) == ("b1|2024-W05", "open")
    assert "Slice b1|2024-W05: week 2024-W05 closes at" in text(found)


def test_after_the_clear_a_version_is_in_a_file_that_the_manifest_names_with_its_hash(
    stores: Stores, ask: Queries
) -> None:
    take(stores, scored(8.0), scored(5.0, user="u0"), scored(7.0, attempted=ATTEMPTED - 1))
    put_away(stores)
    found = one(ask)
    assert [told.judged.rule for told in found.versions] == [Rule.LATER, Rule.LATER]
    for told in found.versions:
        [copy] = told.copies
        assert (copy.tier, copy.sound, told.slice.status) == ("lake", True, "cleared")
        assert copy.file is not None
        assert Path(copy.file).is_file()
        assert copy.voucher is not None
        assert (copy.voucher.entry.action, copy.voucher.chain_problem) == ("verified", None)
        assert copy.voucher.file_sha256 is not None
    assert f"Superseded: version {found.versions[1].judged.entry.version.content_hash.hex()} with 7.1 of 10.3" in text(
        found
    )


def test_between_archive_and_clear_both_copies_are_shown(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0))
    archive(stores.hot.slices(), stores, NOW)
    [told] = one(ask).versions
    assert [copy.tier for copy in told.copies] == ["hot", "lake"]


def test_a_version_that_was_received_in_two_weeks_has_a_copy_in_each(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0), received=RECEIVED + WEEK)
    take(stores, scored(8.0))
    [told] = one(ask).versions
    assert [(copy.tier, str(copy.slice)) for copy in told.copies] == [("hot", "b1|2024-W05"), ("hot", "b1|2024-W06")]
    put_away(stores, [slice_ for slice_ in stores.hot.slices() if str(slice_.week) == "2024-W06"])
    found = one(ask)
    [told] = found.versions
    assert [(copy.tier, str(copy.slice)) for copy in told.copies] == [("hot", "b1|2024-W05"), ("lake", "b1|2024-W06")]
    assert "received again at 2024-02-06" in text(found)


def test_after_a_compaction_the_manifest_names_the_new_file(stores: Stores, ask: Queries) -> None:
    for user in ("u1", "u2"):
        take(stores, scored(8.0, user=user))
        put_away(stores)
    [[before]] = [told.copies for told in one(ask).versions]
    compact([stores.hot.slices()[0].week], stores.lake, NOW)
    [[after]] = [told.copies for told in one(ask).versions]
    assert after.file != before.file
    assert after.sound
    assert after.voucher is not None
    assert after.voucher.file_sha256 is not None


def test_a_file_that_no_entry_names_proves_nothing_yet(
    stores: Stores, ask: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(stores, scored(8.0, user="u2"))
    put_away(stores)
    take(stores, scored(8.0))
    slices = stores.hot.slices()
    with monkeypatch.context() as killed:
        killed.setattr(stores.lake, "record", away)
        with pytest.raises(StoreUnavailable):
            archive(slices, stores, NOW)
    assert "No manifest entry names this file: an archive or a compaction was killed." in text(one(ask))


def away(_entries: object) -> None:
    raise StoreUnavailable("it does not answer")


def test_a_lost_version_is_called_lost(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0))
    stores.hot.delete([entry.row_key for entry in stores.hot.learners(["u1"])["u1"].entries])
    found = one(ask)
    assert found.versions[0].copies == ()
    assert "It is LOST: neither the hot store nor the lake holds it. Type: assess balance" in text(found)


def test_a_damaged_row_is_called_damaged(stores: Stores, ask: Queries, settings: Settings) -> None:
    take(stores, scored(8.0))
    with sqlite3.connect(settings.home / "hot.sqlite") as file:
        [(table,)] = file.execute(
            "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.name = 'grand_total'"
        ).fetchall()
        file.execute(f"UPDATE {table} SET total_score = total_score + 1")
    file.close()
    found = one(ask)
    assert not found.versions[0].copies[0].sound
    assert "ITS COLUMNS DO NOT GIVE ITS CONTENT HASH" in text(found)


def test_courses_and_batches_are_explained_one_by_one_and_an_unknown_learner_has_nothing(
    stores: Stores, ask: Queries
) -> None:
    take(stores, scored(8.0), scored(5.0, batch="b2"), scored(5.0, course="c2"))
    assert [found.judgement.key[2:] for found in ask.explain("u1", "a1")] == [("c1", "b1"), ("c2", "b1"), ("c1", "b2")]
    assert one(ask, batch_id="b2").judgement.summary.best_score == 5.1
    assert ask.explain("nobody", "a1") == []
    with pytest.raises(BadRequest):
        ask.explain("", "a1")


# --- the event in the log ---


def submitted(stores: Stores, *messages: dict[str, object]) -> None:
    """Append events through the write API's intake and fold them like the stream."""
    intake = stores.log.intake()
    intake.append([Message("u1", json.dumps(message).encode()) for message in messages]).result(10)
    intake.close()
    for part in stores.log.retained().parts:
        for batch in part.batches:
            fold(map(decode, batch.records), stores.hot, Checks(NoFacts()))


def test_an_event_of_the_write_api_is_found_in_its_file(stores: Stores, ask: Queries) -> None:
    submitted(stores, *(scored(1.0, user=f"u{n}") for n in range(5, 9)), scored(8.0), scored(7.0, attempt="t2"))
    first, second = one(ask).versions
    assert first.event is not None
    assert second.event is not None
    lines = Path(first.event.topic).read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[first.event.offset - 1])["value"]["userId"] == "u1"
    assert (first.event.offset, second.event.offset) == (5, 6)


def test_an_event_that_the_log_does_not_have_is_not_invented(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0))
    [told] = one(ask).versions
    assert told.event is None
    assert told.event_note == "the log does not have it any more, or it was ingested from another place"


def test_the_search_of_the_log_is_bounded(stores: Stores, ask: Queries, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(stores, scored(8.0))
    take(stores, scored(7.0, attempt="t2"))
    monkeypatch.setattr(explaining, "MOST_LOG_BYTES", 1)
    assert [bool(told.event) for told in one(ask).versions] == [True, False]
    assert "MiB of the log that were searched" in one(ask).versions[1].event_note


def test_without_the_log_everything_else_is_explained(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    take(stores, scored(8.0))

    monkeypatch.setattr(stores.log, "received_at", away)
    [told] = one(queries(stores)).versions
    assert told.copies
    assert told.event_note == "the log could not be searched: it does not answer"


# --- the script of the docs ---


@pytest.fixture(scope="module")
def rescore(tmp_path_factory: pytest.TempPathFactory) -> Callable[[object], "subprocess.CompletedProcess[str]"]:
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path_factory.mktemp("docs") / "rescore.py"
    path.write_text(source, encoding="utf-8")

    def run(explained: object) -> "subprocess.CompletedProcess[str]":
        asked = json.dumps([explained], default=str)
        return subprocess.run([sys.executable, str(path)], input=asked, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def explained(stores: Stores, ask: Queries) -> dict[str, Any]:
    """A score of versions in both tiers, some of them superseded."""
    take(stores, scored(8.0), scored(9.0, attempted=ATTEMPTED - 1), scored(8.0, attempt="t0"), event(answers=[]))
    put_away(stores)
    take(stores, scored(3.3, attempt="t3", attempted=ATTEMPTED + WEEK), received=RECEIVED + WEEK)
    found: dict[str, Any] = json.loads(json.dumps(value(one(ask)), default=str))
    return found


def test_a_script_without_our_code_recomputes_the_score_from_the_named_files(
    rescore: Callable[[object], "subprocess.CompletedProcess[str]"], explained: dict[str, Any]
) -> None:
    done = rescore(explained)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "4 versions, 3 count, best score 8.1 of 10.3\n"


@pytest.mark.long
def test_the_script_recomputes_a_corrected_score_in_both_tiers(
    rescore: Callable[[object], "subprocess.CompletedProcess[str]"],
    stores: Stores,
    ask: Queries,
    explained: dict[str, Any],
) -> None:
    rules: list[Marking] = [Scale(20.0), Key([[{"1": '{"text":"Dispur"}'}]]), Maximum(15.0), FullMarks()]
    for at, rule in enumerate(rules, NOW):
        apply(stores, NamedCorrection("rule", Correction("a1", "q1", rule)), Decision("Asha", "so", at))
    apply(stores, NamedCorrection("rule", Correction("a1", "q2", Drop())), Decision("Asha", "so", NOW + 9))

    found = json.loads(json.dumps(value(one(ask)), default=str))

    assert found["score"]["best_score"] == 15.0 != explained["score"]["best_score"]
    done = rescore(found)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "4 versions, 3 count, best score 15.0 of 15.0\n"
    found["versions"][0]["corrections"].pop()
    assert "counts with the scores" in rescore(found).stderr


def test_the_script_takes_the_score_of_a_dropped_version_as_it_is(
    rescore: Callable[[object], "subprocess.CompletedProcess[str]"], stores: Stores, ask: Queries
) -> None:
    take(stores, scored(8.0), scored(9.0, attempted=ATTEMPTED - 1))
    put_away(stores)
    drop([ArchiveSlice.parse("b1|2024-W05")], stores, NOW)

    found = json.loads(json.dumps(value(one(ask)), default=str))

    assert [(version["copies"], version["dropped_at"]) for version in found["versions"]] == [([], iso(NOW))] * 2
    done = rescore(found)
    assert (done.returncode, done.stderr) == (0, "")
    found["versions"][0]["dropped_at"] = None
    assert "is lost" in rescore(found).stderr


def test_a_correction_is_told_with_who_decided_it_and_what_was_submitted(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0), scored(7.0, attempted=ATTEMPTED - 1))
    correction = Correction("a1", "q1", FullMarks())
    id_ = apply(stores, NamedCorrection("rule", correction), Decision("Asha", "two were right", NOW)).id

    lines = story(one(ask))

    assert "  The best score is 10.1 of 10.3, from attempt t1." in lines
    at = lines.index("  It was submitted with 8.1 of 10.3. Corrections in force:")
    assert lines[at + 1] == f"    {id_}: full marks, question q1; by Asha at {iso(NOW)}: two were right"
    assert f"with {7.1} of 10.3." in "".join(lines)
    assert len([line for line in lines if id_ in line]) == 1


@pytest.mark.long
def test_the_script_detects_a_changed_score_a_changed_file_and_another_row(
    rescore: Callable[[object], "subprocess.CompletedProcess[str]"], explained: dict[str, Any]
) -> None:
    lake = next(copy for version in explained["versions"] for copy in version["copies"] if copy["tier"] == "lake")
    wrong = json.loads(json.dumps(explained))
    wrong["score"]["best_score"] = 9.1
    assert rescore(wrong).returncode == 1
    wrong = json.loads(json.dumps(explained))
    wrong["versions"][0]["submitted_score"] = 10.0
    assert "has the scores" in rescore(wrong).stderr
    with Path(lake["file"]).open("ab") as file:
        file.write(b"x")
    assert "its bytes are not those that the manifest names" in rescore(explained).stderr
