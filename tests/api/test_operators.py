"""GraphQL for operators and auditors: failed events, replays, manifest, balance and seals."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from assess_core.adapters.files.facts import JsonFacts
from assess_core.domain.corrections import Correction, Drop, Maximum, Scale, correction_text
from assess_core.domain.erasing import Order, keyed_hash, orders
from assess_core.domain.events import FailedKey
from assess_core.domain.holds import Target
from assess_core.domain.moments import iso
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.facts import Facts
from assess_core.ports.stores import Stores
from assess_core.usecases import seals
from assess_core.usecases.folding import Checks, fold
from assess_core.usecases.holds import add_hold, release_hold
from assess_core.usecases.operating import Operating
from assess_core.usecases.paging import cursor
from assess_core.usecases.story import value
from assess_core.wiring import open_ledger
from assess_core.wiring.places import clock
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.api.issuer import bearer, guarded, token, trusting
from tests.decisions import decide, revert_all
from tests.factories import ATTEMPTED, MONDAY, RECEIVED, decoded, event, wire_answer
from tests.loop import put_away, queries, take

W5 = "b1|2024-W05"
REPLAY = "mutation ($after: ID, $first: Int = 100, $check: Boolean = false) { replayFailedEvents(after: $after, "
REPLAY += "first: $first, checkQuestionCount: $check) { resolved failed endCursor } }"
FAILED = "query ($after: ID, $first: Int = 20) { failedEvents(first: $first, after: $after) { id offset reason text } }"
NARROW = JsonFacts(leaf_nodes_={"c1": frozenset({"a1"})})
WIDE = JsonFacts(leaf_nodes_={"c1": frozenset({"a1", "a2"})})


def served(stores: Stores, facts: Facts | None = None) -> Any:
    operating = Operating(stores, open_ledger, clock, facts)
    return client(create_app(queries(stores), stores.log.intake(), operating=operating))


@pytest.fixture
def http(stores: Stores) -> Iterator[Http]:
    with served(stores) as found:
        yield found


def ask(http: Http, query: str, **variables: object) -> Any:
    answer = http.post("/graphql", json={"query": query, "variables": variables})
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


def code(http: Http, query: str, **variables: object) -> str:
    found: str = http.post("/graphql", json={"query": query, "variables": variables}).json()["errors"][0]["extensions"][
        "code"
    ]
    return found


def fail(stores: Stores, *messages: object) -> None:
    """Fold messages with facts that know only one assessment."""
    fold([decoded(message, offset) for offset, message in enumerate(messages, 1)], stores.hot, Checks(NARROW))


# --- failed events ---


def test_failed_events_are_listed_page_by_page_with_their_text(stores: Stores, http: Http) -> None:
    fail(stores, event(content="a2"), {"userId": "ü" * 20_000}, event(), event(content="a3"))

    first = ask(http, FAILED, first=2)["failedEvents"]
    second = ask(http, FAILED, first=2, after=first[-1]["id"])["failedEvents"]

    assert [one["offset"] for one in first + second] == ["1", "2", "4"]
    assert '"contentId":"a2"' in first[0]["text"].replace(" ", "")
    assert len(first[1]["text"]) == 10_000
    assert ask(http, FAILED, after=second[-1]["id"])["failedEvents"] == []


def test_a_replay_resolves_what_new_facts_accept_and_goes_on_after_the_rest(stores: Stores) -> None:
    fail(stores, *(event(content=content, attempt=content) for content in ("a3", "a2", "a3", "a2")))

    with served(stores, WIDE) as http:
        first = ask(http, REPLAY, first=3)["replayFailedEvents"]
        second = ask(http, REPLAY, first=3, after=first["endCursor"])["replayFailedEvents"]
        left = ask(http, FAILED)["failedEvents"]

    assert (first["resolved"], first["failed"], second["resolved"], second["failed"]) == (1, 2, 1, 0)
    assert (first["endCursor"] is None, second["endCursor"]) == (False, None)
    assert [one["offset"] for one in left] == ["1", "3"]
    assert [one.key.content_id for one in queries(stores).attempts(user_id="u1").attempts] == ["a2"]


@pytest.mark.parametrize(
    ("query", "variables", "expected"),
    [
        (FAILED, {"after": "nonsense"}, "BAD_REQUEST"),
        (FAILED, {"after": cursor(FailedKey("a.jsonl", 0, 2**63, b""))}, "BAD_REQUEST"),
        (FAILED, {"first": 51}, "BAD_REQUEST"),
        (FAILED, {"first": 0}, "BAD_REQUEST"),
        (REPLAY, {"first": 1001}, "BAD_REQUEST"),
        (REPLAY, {"check": True}, "BAD_REQUEST"),
        ('{ manifest(sliceId: "b1") { hash } }', {}, "BAD_SLICE"),
        ('{ manifest(sliceId: "b9|2024-W05") { hash } }', {}, "UNKNOWN_BATCH"),
        ('{ balance(batchId: "b9") { named } }', {}, "UNKNOWN_BATCH"),
        ("{ seals(first: 0) { line } }", {}, "BAD_REQUEST"),
        ('{ sealProof(sliceId: "b1|2024-W05") { path } }', {}, "UNKNOWN_SEAL"),
        ('{ sealConsistency(since: "x") { path } }', {}, "BAD_SEAL"),
        ('{ balance(batchId: "") { named } }', {}, "BAD_REQUEST"),
    ],
    ids=str,
)
def test_a_wrong_question_gets_a_code(http: Http, query: str, variables: dict[str, Any], expected: str) -> None:
    assert code(http, query, **variables) == expected


def test_a_replay_is_not_possible_by_get(http: Http) -> None:
    answer = http.get("/graphql", params={"query": "mutation { replayFailedEvents { resolved } }"})
    assert answer.status_code == 405


def test_only_operators_may_replay(stores: Stores, tmp_path: Path) -> None:
    fail(stores, event(content="a2"))
    with guarded(stores, trusting(tmp_path)) as http:
        for role, status in (("learner", 403), ("mentor", 403), ("auditor", 403), ("operator", 200)):
            assert [one.key.content_id for one in queries(stores).attempts(user_id="u1").attempts] == []
            sent = bearer(token("x", roles=[role], batches=["b1"]))
            assert http.post("/graphql", json={"query": REPLAY}, headers=sent).status_code == status, role
    assert len(queries(stores).attempts(user_id="u1").attempts) == 1


# --- manifest and balance ---


def test_the_manifest_of_a_slice_is_its_chain(stores: Stores, http: Http) -> None:
    take(stores, event(), event(attempt="t2"))
    query = f"""query ($first: Int = 100) {{ manifest(sliceId: "{W5}", first: $first) {{
        action rows number previous hash files {{ sha256 }} }} }}"""
    assert ask(http, query)["manifest"] == []

    put_away(stores)

    entries = ask(http, query)["manifest"]
    stored = stores.lake.manifest([ArchiveSlice.parse(W5)])
    assert [one["action"] for one in entries] == [one.action.name for one in stored]
    assert [one["hash"] for one in entries] == [one.hash for one in stored]
    assert [one["previous"] for one in entries[1:]] == [one["hash"] for one in entries[:-1]]
    assert (entries[0]["rows"], len(entries[1]["files"])) == (2, 1)
    assert [one["number"] for one in ask(http, query, first=1)["manifest"]] == [len(stored)]


def test_the_balance_of_a_batch_counts_its_versions(stores: Stores, http: Http) -> None:
    take(stores, event(), event(attempt="t2"), event(batch="b2"))
    query = (
        '{ balance(batchId: "b1") { balanced named hotOnly lakeOnly both dropped missing unnamed failed unreadable } }'
    )
    nothing = {"both": 0, "dropped": 0, "missing": 0, "unnamed": 0, "failed": 0, "unreadable": [], "balanced": True}

    assert ask(http, query)["balance"] == {"named": 2, "hotOnly": 2, "lakeOnly": 0, **nothing}
    put_away(stores)
    assert ask(http, query)["balance"] == {"named": 2, "hotOnly": 0, "lakeOnly": 2, **nothing}


# --- holds ---


def test_operators_see_the_holds_that_are_in_force(stores: Stores, http: Http) -> None:
    held = add_hold(stores, Target.LEARNER, "u1", "examinations office", "case 12", MONDAY)
    ended = add_hold(stores, Target.BATCH, "b1", "examinations office", "case 13", MONDAY)
    release_hold(stores, ended.id, "examinations office", "closed", MONDAY)

    [found] = ask(http, "{ holds { holdId target of by reason at until } }")["holds"]

    assert found == {
        "holdId": held.id,
        "target": "LEARNER",
        "of": "u1",
        "by": "examinations office",
        "reason": "case 12",
        "at": "2024-01-29T00:00:00.000Z",
        "until": None,
    }


def test_operators_see_orders_to_erase_learners_without_their_ids(stores: Stores, http: Http) -> None:
    order = Order("data protection office", "asked for it", MONDAY)
    stores.hot.register.add(orders("key", ["u1"], order))

    found = ask(http, "{ erasures { learnerHash by reason at } }")["erasures"]

    assert found == [
        {"learnerHash": keyed_hash("key", "u1"), "by": order.by, "reason": order.reason, "at": iso(MONDAY)}
    ]
    assert code(http, "{ erasures(first: 1001) { by } }") == "BAD_REQUEST"


# --- corrections ---


def test_auditors_get_the_corrections_in_the_order_in_which_they_apply(stores: Stores, http: Http) -> None:
    wanted = Correction("a1", "q1", Scale(2.5), "c1", ("b1", "b2"), ATTEMPTED)
    [first] = decide(stores.hot.register, Correction("a1", "q9", Drop()))
    revert_all(stores.hot.register)
    second, third = decide(stores.hot.register, Correction("a2", "q1", Drop()), wanted)

    found = ask(
        http,
        """{ corrections { id inForce assessmentId questionId courseId batches attemptedFrom attemptedTo
        rule correction by reason at revertedBy revertReason revertedAt } }""",
    )["corrections"]

    assert {one["id"]: one["inForce"] for one in found} == {first: False, second: True, third: True}
    assert found[-1] == {
        "id": third, "inForce": True, "assessmentId": "a1", "questionId": "q1", "courseId": "c1",
        "batches": ["b1", "b2"], "attemptedFrom": iso(ATTEMPTED), "attemptedTo": None,
        "rule": "scale to a maximum of 2.5", "correction": correction_text(wanted).decode(),
        "by": "Examiner", "reason": "a wrong key", "at": iso(RECEIVED + 1),
        "revertedBy": None, "revertReason": None, "revertedAt": None,
    }  # fmt: skip
    assert [one["revertReason"] for one in found if one["id"] == first] == ["a right key"]


def test_the_newest_corrections_of_an_assessment_can_be_asked_for(stores: Stores, http: Http) -> None:
    ids = decide(stores.hot.register, *(Correction(f"a{number % 2}", f"q{number}", Drop()) for number in range(6)))

    found = ask(http, '{ corrections(assessmentId: "a1", first: 2) { id } }')["corrections"]

    assert [one["id"] for one in found] == [ids[3], ids[5]]
    assert code(http, "{ corrections(first: 201) { id } }") == "BAD_REQUEST"


def test_an_attempt_shows_its_corrected_score_beside_the_one_that_was_submitted(stores: Stores, http: Http) -> None:
    take(stores, event(answers=[wire_answer(score=1, maxscore=2)]))
    decide(stores.hot.register, Correction("a1", "q1", Maximum(0.5)))

    for query in ('attempts(userId: "u1")', 'attempts(batchId: "b1")'):
        fields = "totalScore totalMaxScore originalScore originalMaxScore answers { score maxScore }"
        [edge] = ask(http, f"{{ {query} {{ edges {{ node {{ {fields} }} }} }} }}")["attempts"]["edges"]
        assert edge["node"] == {
            "totalScore": 0.5, "totalMaxScore": 0.5, "originalScore": 1.0, "originalMaxScore": 2.0,
            "answers": [{"score": 0.5, "maxScore": 0.5}],
        }  # fmt: skip


def test_an_explanation_says_by_the_same_names_what_the_command_line_prints(stores: Stores, http: Http) -> None:
    take(stores, event(answers=[wire_answer(score=1, maxscore=2)]), event(attempted=ATTEMPTED - 1))
    decide(stores.hot.register, Correction("a1", "q1", Maximum(0.5)))
    names = "attemptId contentHash hasAnswers score maxScore submittedScore submittedMaxScore receivedAt counts "
    names += "supersededBy rule slice sliceStatus droppedAt eventNote"

    [found] = ask(http, f'{{ explain(userId: "u1", assessmentId: "a1") {{ versions {{ {names} }} }} }}')["explain"]

    [printed] = map(value, queries(stores).explain("u1", "a1"))
    snake = {name: re.sub("[A-Z]", lambda upper: f"_{upper[0].lower()}", name) for name in names.split()}
    assert found["versions"] == [
        {name: version[snake[name]] for name in snake} for version in cast(list[dict[str, object]], printed["versions"])
    ]
    assert (found["versions"][0]["score"], found["versions"][0]["submittedScore"]) == (0.5, 1.0)


# --- seals ---


def test_auditors_get_seals_and_their_proofs_as_the_command_line_prints_them(stores: Stores, http: Http) -> None:
    take(stores, event())
    put_away(stores)
    old = seals.seal(stores.lake, 0)
    take(stores, event(batch="b2"))
    put_away(stores)
    new = seals.seal(stores.lake, 0)

    query = """query ($slice: ID!) {
        seals { line entries root }
        sealProof(sliceId: $slice) { proof seal slice entry position path }
    }"""
    found = ask(http, query, slice=W5)
    since = ask(http, "query ($old: String!) { sealConsistency(since: $old) { proof old new path } }", old=str(old))

    assert [one["line"] for one in found["seals"]] == [str(old), str(new)]
    assert found["sealProof"] == seals.prove(stores.lake, ArchiveSlice.parse(W5), new).as_json()
    assert since["sealConsistency"] == seals.prove_consistency(stores.lake, old, new).as_json()
    assert [one["line"] for one in ask(http, "{ seals(first: 1) { line } }")["seals"]] == [str(new)]
