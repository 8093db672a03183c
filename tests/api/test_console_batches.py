"""The console's pages for mentors and learner support: batches, learners, explanations and reports."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.corrections import Correction, FullMarks
from assess_core.domain.report_jobs import Rules
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.slices import IsoWeek
from assess_core.ports.stores import Stores
from assess_core.usecases.operating import Operating
from assess_core.usecases.report_work import Work, report_writer, work_one
from assess_core.usecases.views import WeekCounts
from assess_core.wiring import open_ledger
from assess_core.wiring.places import clock
from graphql_api.app import create_app
from graphql_api.console.batches import columns
from tests.api.client import Http, client
from tests.api.consoles import OWN, read, requests_in, signed_in, text_of
from tests.api.issuer import guarded, trusting
from tests.decisions import decide
from tests.factories import MONDAY, event, wire_answer
from tests.loop import put_away, queries, take

HOSTILE = """<img src=x onerror=alert(1)>"'"""


@pytest.fixture
def jobs() -> MemoryRequests:
    return MemoryRequests()


@pytest.fixture
def http(stores: Stores, tmp_path: Path, jobs: MemoryRequests) -> Iterator[Http]:
    """The API as an operator of this machine sees it."""
    requests, operating = requests_in(stores, tmp_path, jobs), Operating(stores, open_ledger, clock)
    with client(create_app(queries(stores), stores.log.intake(), requests=requests, operating=operating)) as found:
        yield found


# --- batches ---


def test_the_overview_of_a_batch_is_a_page_without_scripts(stores: Stores, http: Http) -> None:
    take(stores, *(event(user=f"u{n}", batch=HOSTILE) for n in range(12)))
    answer = http.get("/console/overview", params={"batch": HOSTILE})
    assert answer.status_code == 200, answer.text
    assert "What is the capital of Assam? 12 0.50" in text_of(answer)
    assert "<img" not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_overview_of_an_unknown_batch_or_a_damaged_lake_is_refused(stores: Stores, http: Http) -> None:
    assert http.get("/console/overview?batch=unknown").status_code == 404
    take(stores, event(batch="b1"))
    put_away(stores)
    [file] = stores.lake.pin().files()
    Path(file.url).write_bytes(b"damaged")
    refused = http.get("/console/overview?batch=b1")
    assert refused.status_code >= 400
    assert "restore" in text_of(refused)


def test_batches_are_found_by_the_beginning_of_their_id(stores: Stores, http: Http) -> None:
    take(stores, *(event(batch=batch) for batch in ("0130", "0131", "0200")))
    put_away(stores)
    shown = read(http, "/console/batches?prefix=013")
    assert "0130 0131" in shown
    assert "0200" not in shown
    assert "No batch that you may read has an id" in read(http, "/console/batches?prefix=9")


def test_a_list_of_batches_has_an_end(stores: Stores, http: Http) -> None:
    take(stores, *(event(batch=f"b{n:03d}") for n in range(101)))
    assert "There are more." in read(http, "/console/batches")
    assert "There are more." not in read(http, "/console/batches?prefix=b05")


def test_a_mentor_finds_only_granted_batches(stores: Stores, tmp_path: Path) -> None:
    take(stores, *(event(batch=batch) for batch in ("b1", "b2", "c1")))
    with guarded(stores, trusting(tmp_path)) as http:
        mentor = signed_in("m", roles=["mentor"], batches=["b1", "c1"])
        assert "b1 c1" in read(http, "/console/batches", headers=mentor)
        assert "c1" not in read(http, "/console/batches?prefix=b", headers=mentor)
        assert "b2" not in read(http, "/console/batches", headers=mentor)


def test_a_batch_is_shown_with_its_numbers_and_weeks(stores: Stores, http: Http) -> None:
    take(stores, event(user="u1"), event(user="u2"))
    shown = read(http, "/console/batch?batch=b1")
    assert "attempts 2 learners 2 assessments 1" in shown
    assert "Balance" not in shown
    with_balance = read(http, "/console/batch?batch=b1&balance=yes")
    assert "named by scores 2 only in the hot store 2 only in the lake 0" in with_balance


def test_an_unknown_batch_is_named_on_a_page(http: Http) -> None:
    answer = http.get("/console/batch?batch=nothing")
    assert answer.status_code == 404
    assert "no store knows the batch 'nothing'" in text_of(answer)
    assert http.get("/console/batch").status_code == 400


def test_the_bars_of_weeks_fill_the_box() -> None:
    weeks = [WeekCounts(IsoWeek(2024, number), attempts, 1) for number, attempts in ((1, 5), (2, 10), (3, 0))]
    bars = columns(weeks)
    assert [bar.height for bar in bars] == [30, 60, 0]
    assert [bar.y for bar in bars] == [30, 0, 60]
    assert bars[-1].x + bars[-1].width <= 100
    assert columns([]) == []


# --- learners ---


def test_a_learner_is_shown_with_scores_attempts_and_the_story_of_a_score(stores: Stores, http: Http) -> None:
    answers = [wire_answer(score=0.5)]
    take(stores, event(user="u1", attempt="t1", answers=answers), event(user="u1", attempt="t2"), event(user="u2"))
    page = http.get("/console/learners?learner=u1&batch=b1")
    assert "t1 a1 b1 0.5" in text_of(page)
    assert "u2" not in text_of(page)
    [link] = re.findall('href="(/console/explain[^"]*)"', page.text)
    told = read(http, html.unescape(link))
    assert "Learner u1, assessment a1, course c1, batch b1" in told
    assert "counts: it is the only version." in told


def test_a_corrected_attempt_shows_the_score_that_was_submitted(stores: Stores, http: Http) -> None:
    take(stores, event(attempt="t1"), event(attempt="t2", content="a2"))
    assert "submitted" not in read(http, "/console/learners?learner=u1")
    decide(stores.hot.register, Correction("a1", "q1", FullMarks()))

    shown = read(http, "/console/learners?learner=u1")

    assert "t1 a1 b1 2 2 1 of 2 2024" in shown
    assert "t2 a2 b1 1 2 2024" in shown


def test_attempts_of_a_learner_are_read_page_by_page(stores: Stores, http: Http) -> None:
    take(stores, *(event(attempt=f"t{n:02d}") for n in range(25)))
    page = http.get("/console/learners?learner=u1")
    [link] = re.findall('<p class="next"><a href="([^"]*)"', page.text)
    second = read(http, html.unescape(link))
    assert "t19" in text_of(page)
    assert "t20" not in text_of(page)
    assert "t24" in second
    assert "t19" not in second


def test_a_learner_without_attempts_and_a_wrong_cursor_get_a_sentence(http: Http) -> None:
    assert "No attempt of nobody matches." in read(http, "/console/learners?learner=nobody")
    assert http.get("/console/learners?learner=u1&after=x").status_code == 400
    assert http.get("/console/explain?learner=u1").status_code == 400
    assert "has no score at assessment a9" in read(http, "/console/explain?learner=u1&assessment=a9")


def test_texts_of_clients_never_become_markup(stores: Stores, http: Http) -> None:
    take(stores, event(user=HOSTILE, batch=HOSTILE, course=HOSTILE, content=HOSTILE, attempt=HOSTILE))
    everything = dict.fromkeys(("learner", "batch", "course", "assessment", "prefix", "channel", "after"), HOSTILE)
    for path in ("batches", "batch", "learners", "explain", "reports", "slices", "failed"):
        for sent in (everything, {name: value for name, value in everything.items() if name != "after"}):
            answer = http.get(f"/console/{path}", params=sent)
            assert answer.status_code < 500
            assert "<img" not in answer.text
            assert f'"{HOSTILE[-3:]}' not in answer.text
    assert html.escape(HOSTILE, quote=False)[:20] in http.get("/console/batches").text


# --- reports ---


def test_a_report_is_requested_watched_and_downloaded(stores: Stores, http: Http, jobs: MemoryRequests) -> None:
    take(stores, event())
    form = {"channel": "ch", "tag": "mine", "dataset": "score-exhaust", "batches": "b1"}
    answer = http.post("/console/reports/submit", data=form, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/reports?channel=ch")
    assert "SUBMITTED 0 % Cancel mine" in read(http, "/console/reports?channel=ch")
    assert "mine" not in read(http, "/console/reports?channel=other")

    work_one(Work(jobs, stores.exhausts, report_writer(stores), Rules(), lambda: MONDAY), "w1")

    page = http.get("/console/reports?channel=ch")
    assert "SUCCESS 100 % Download b1_score_20240129.csv A worker" in text_of(page)
    [link] = re.findall('href="([^"]*/download/[^"]*)"', page.text)
    assert http.get(html.unescape(link)).text.count("\n") == 2


def test_the_form_asks_for_format_names_and_pictures_and_what_it_leaves_open_is_as_usual(
    http: Http, jobs: MemoryRequests
) -> None:
    page = http.get("/console/reports").text
    form = {"channel": "local", "dataset": "score-exhaust", "batches": "b1"}
    chosen = {"format": "xlsx", "names": "learners", "pictures": "svg"}
    for name, value in chosen.items():
        assert f"<option>{value}</option>" in page.partition(f'name="{name}"')[2].partition("</select>")[0]
    for tag, more in {"chosen": chosen, "open": dict.fromkeys(chosen, "")}.items():
        sent = form | more | {"tag": tag}
        assert http.post("/console/reports/submit", data=sent, headers=OWN).status_code == 303

    asked = {job.request.tag: job.request for job in jobs.of_channel("local", None, 10)}
    spec = asked["chosen:local"].spec
    assert (spec.format, spec.names, spec.pictures) == ("xlsx", "learners", ("svg",))
    assert asked["open:local"].spec == ReportSpec(report=Report.SCORE, batches=("b1",))
    assert asked["open:local"].config == '{"batchFilter":["b1"]}'


@pytest.mark.parametrize("batch", ["a, b", " a ", HOSTILE])
def test_the_form_of_one_batch_asks_for_this_batch(
    stores: Stores, http: Http, jobs: MemoryRequests, batch: str
) -> None:
    take(stores, event(batch=batch))
    [link] = re.findall('href="(/console/reports[^"]+)"', http.get("/console/batch", params={"batch": batch}).text)
    [value] = re.findall('name="batch" [^>]*value="([^"]*)"', http.get(html.unescape(link)).text)

    form = {"channel": "ch", "tag": "mine", "dataset": "score-exhaust", "batch": html.unescape(value)}
    assert http.post("/console/reports/submit", data=form, headers=OWN).status_code == 303

    [job] = jobs.of_channel("ch", None, 10)
    assert job.request.spec.batches == (batch,)


def test_a_request_can_be_cancelled(stores: Stores, http: Http, jobs: MemoryRequests) -> None:
    form = {"channel": "ch", "tag": "mine", "dataset": "score-exhaust", "batches": "b1, b2"}
    http.post("/console/reports/submit", data=form, headers=OWN)
    [job] = jobs.of_channel("ch", None, 10)
    assert job.request.spec.batches == ("b1", "b2")
    sent = {"channel": "ch", "tag": "mine", "request": job.id}
    assert http.post("/console/reports/cancel", data=sent, headers=OWN).status_code == 303
    assert "CANCELLED" in read(http, "/console/reports?channel=ch")


@pytest.mark.parametrize("wrong", [{"channel": ""}, {"tag": ""}, {"dataset": "all"}, {"batches": " "}, {"tag": "\x00"}])
def test_a_wrong_request_for_a_report_is_named(http: Http, jobs: MemoryRequests, wrong: dict[str, str]) -> None:
    form = {"channel": "ch", "tag": "mine", "dataset": "score-exhaust", "batches": "b1", **wrong}
    answer = http.post("/console/reports/submit", data=form, headers=OWN)
    assert answer.status_code == 400
    assert "Back to the start" in text_of(answer)
    assert jobs.queue() == []
