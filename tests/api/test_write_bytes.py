"""Every acknowledged item is in the log exactly as it was sent."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import read_files
from assess_core.domain.events import Accepted, decode
from assess_core.ports.log import BATCH_BYTES
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.api.writes import ALIAS, STATE, VIEW, item, logged, receipts
from tests.factories import ATTEMPTED, text
from tests.loop import queries

JSON = {"content-type": "application/json"}

ODD = [
    b'{ "assessmentTs" : 1706572800000 ,\t"courseId":"c","contentId":"k","batchId":"b","userId":"u","attemptId":"a",'
    b'"events":[ ] }',
    b'{"events":[],"attemptId":"a","userId":"u","batchId":"b","contentId":"k","courseId":"c","assessmentTs":null}',
    b'{"assessmentTs":1.0,"x":1e400,"y":-0,"z":1E+2,"n":123456789012345678901234567890,"courseId":"c","contentId":"k",'
    b'"batchId":"b","userId":"u","attemptId":"a","events":[]}',
    b'{"userId":"first","userId":"u","assessmentTs":1,"courseId":"c","contentId":"k","batchId":"b","attemptId":"a",'
    b'"events":[1],"events":[]}',
    b'{"\\u0075serId":"\\u0075\\/\\u0000\\ud83d\\ude00","assessmentTs":1,"courseId":"c","contentId":"k","batchId":"b",'
    b'"attemptId":"a","events":"\\\\n\\n"}',
    '{"userId":"é\U0001f600\u2028","assessmentTs":1,"courseId":"c","contentId":"k","batchId":"b","attemptId":"a",'
    '"events":[]}'.encode(),
]


@pytest.fixture
def log(settings: Settings) -> Path:
    return Path(settings.log)


def body(*items: bytes) -> bytes:
    return b'{"request":{"assessments":[%b]}}' % b",".join(items)


@pytest.mark.parametrize("sent", ODD)
def test_an_item_is_in_the_log_as_it_was_sent(http: Http, log: Path, sent: bytes) -> None:
    assert http.patch(STATE, content=body(sent), headers=JSON).status_code == 200
    assert logged(log) == [sent]


def test_several_items_keep_their_order(http: Http, log: Path) -> None:
    assert http.patch(STATE, content=body(*ODD), headers=JSON).status_code == 200
    assert logged(log) == ODD


def test_line_feeds_between_tokens_become_spaces_and_nothing_else_changes(http: Http, log: Path) -> None:
    sent = json.dumps(item(title="a\nb"), indent=2).encode()
    assert b"\n" in sent
    assert b"a\\nb" in sent
    http.patch(STATE, content=body(sent), headers=JSON)

    (value,) = logged(log)
    assert value == sent.replace(b"\n", b" ")
    assert json.loads(value) == json.loads(sent)


def test_a_line_feed_within_text_is_not_json_so_it_never_reaches_the_log(http: Http, log: Path) -> None:
    sent = text(item()).replace(b"abcd", b"ab\ncd")
    assert http.patch(STATE, content=body(sent), headers=JSON).status_code == 400
    assert logged(log) == []


def test_the_longest_request_is_a_line_that_the_stream_accepts(http: Http, log: Path) -> None:
    filler = "x" * (1024 * 1024 - len(body(text(item(filler="")))))
    sent = text(item(filler=filler))
    assert http.patch(STATE, content=body(sent), headers=JSON).status_code == 200

    (batch,) = read_files(find([str(log)], print), print)
    assert batch.size < BATCH_BYTES
    (record,) = batch.records
    assert isinstance(decode(record), Accepted)


def test_receipts_use_the_clock_of_this_machine_and_never_decrease(http: Http, log: Path) -> None:
    for _ in range(20):
        http.patch(STATE, json={"request": {"assessments": [item()]}})
    received = [at for at, _ in receipts(log)]
    assert len(received) == 20
    assert received == sorted(received)
    assert received[0] > ATTEMPTED


# --- random bodies ---

NAMES = (
    "request assessments contents events userId courseId collectionId batchId contextId contentId attemptId "
    "assessmentTs status lastUpdatedTime ets edata item params msgid"
)
names = st.sampled_from(NAMES.split())
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["u1", "do_123", "0123", " ", "\ud800", "details", "BATCH_NOT_EXISTS"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=3), inner, max_size=8),
    max_leaves=20,
)
items = st.builds(lambda changed: item(**changed), st.dictionaries(names, values | st.just(...), max_size=2))
requests = st.fixed_dictionaries(
    {}, optional={"assessments": st.lists(items | values, max_size=3), "contents": st.lists(values, max_size=2)}
)
merged = st.builds(lambda request, more: {**more, **request}, requests, st.dictionaries(names, values, max_size=6))
bodies = st.builds(lambda request: {"request": request}, merged | values) | values
spelled = st.builds(
    lambda value, indent, ascii_: json.dumps(value, indent=indent, ensure_ascii=ascii_).encode(errors="surrogatepass"),
    bodies,
    st.sampled_from([None, 1]),
    st.booleans(),
)
broken = st.builds(lambda text, at, more: text[:at] + more + text[at:], spelled, st.integers(0, 200), st.binary())
paths = st.sampled_from([("PATCH", STATE), ("PATCH", ALIAS), ("POST", VIEW)])


@pytest.fixture(scope="module")
def api() -> Iterator[tuple[Http, Path]]:
    """One API for all examples, and its log folder."""
    from assess_core.wiring import open_stores

    with TemporaryDirectory() as folder:
        found = Settings.from_env({}, folder)
        stores: Stores = open_stores(found)
        intake = stores.log.intake()
        with client(create_app(queries(stores), intake)) as http:
            yield http, Path(found.log)
        intake.close()


def answers_in(request: Any) -> list[Any]:
    """Every list of a request that can be answers."""
    around = [request, *(request.get("assessments") or []), *(request.get("events") or [])]
    return [
        each[name] for each in around if isinstance(each, dict) for name in ("events", "assessments") if name in each
    ]


@pytest.mark.long
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=paths, sent=spelled | broken | st.binary())
@example(path=("PATCH", STATE), sent=body(text(item())))
@example(path=("POST", VIEW), sent=body(text(item())))
@example(path=("POST", VIEW), sent=body(text(item(assessmentTs=None))))
def test_no_body_causes_a_server_error_and_acknowledged_items_are_in_the_log(
    api: tuple[Http, Path], path: tuple[str, str], sent: bytes
) -> None:
    http, log = api
    before = len(logged(log))
    answer = http.request(*path, content=sent, headers=JSON)

    added = logged(log)[before:]
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert added == []
        return
    expected: Any = json.loads(sent)["request"]
    accepted = expected.get("assessments") or []
    result = answer.json()["result"]
    if "response" in result and not accepted and not expected.get("contents"):
        assert [json.loads(value)["userId"] for value in added] == [expected["userId"]]
    elif path[1] == VIEW:
        assert len(added) == len([line for line in result["details"] if line["status"] == "SUCCESS"])
        # with other names of ids, or without a clock, only the answers are the client's bytes
        assert all(json.loads(value)["events"] in answers_in(expected) for value in added)
    else:
        assert [json.loads(value) for value in added] == accepted
        assert all(value in sent.replace(b"\n", b" ") for value in added)
