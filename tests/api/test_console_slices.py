"""The console's pages for operators: slices and failed events."""

import html
from collections.abc import Iterator
from typing import Any

import pytest

from assess_core.domain.erasing import Order, keyed_hash, orders
from assess_core.domain.holds import Target
from assess_core.domain.moments import LATEST, iso
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.stores import Stores
from assess_core.usecases.holds import add_hold
from assess_core.usecases.operating import Operating
from assess_core.usecases.queries import Queries
from assess_core.wiring import open_ledger
from assess_core.wiring.places import clock
from graphql_api.app import create_app
from graphql_api.console.slices import WEEKS, grid
from tests.api.client import Http, client
from tests.api.consoles import OWN, read, text_of
from tests.factories import MONDAY, event
from tests.loop import NOW, put_away, queries, take

HOSTILE = '<script>alert("1")</script>'


@pytest.fixture
def http(stores: Stores) -> Iterator[Http]:
    """The API as an operator of this machine sees it."""
    app = create_app(queries(stores), stores.log.intake(), operating=Operating(stores, open_ledger, clock))
    with client(app) as found:
        yield found


def view(batch: str, week: IsoWeek, **more: Any) -> SliceView:
    """A planned slice with one row."""
    usual = SliceView(ArchiveSlice(week, batch), SliceStatus.PLANNED, 1, 0, None, None, None, None, None, False)
    return usual._replace(**more)


# --- slices ---


def test_slices_are_counted_by_week_and_listed_with_what_they_wait_for(stores: Stores, http: Http) -> None:
    take(stores, event(batch="b1"), event(batch="b2", user="u2"), event(batch="b2", user="u3"))
    shown = read(http, "/console/slices")
    assert "By week and status" in shown
    assert "closed, and not archived yet" in shown
    assert "No slice matches" in read(http, "/console/slices?status=verified")
    assert "b2" not in read(http, "/console/slices?batch=b1")


def test_slices_of_a_batch_are_shown_after_they_were_cleared(stores: Stores, http: Http) -> None:
    take(stores, event(batch="b1"))
    put_away(stores)
    shown = read(http, "/console/slices?batch=b1")
    assert " cleared 0 1 " in shown


def test_a_slice_shows_what_to_type_next_and_its_chain_with_files_and_hashes(stores: Stores, http: Http) -> None:
    take(stores, event(batch="b1"))
    before = read(http, "/console/slice?slice=b1|2024-W05")
    assert "assess archive 'b1|2024-W05'" in before
    assert "Nothing was archived yet" in before

    put_away(stores)
    entries = stores.lake.manifest([ArchiveSlice.parse("b1|2024-W05")])
    after = read(http, "/console/slice?slice=b1|2024-W05")
    assert all(entry.hash in after and entry.action in after for entry in entries)
    files = {name: hash_ for entry in entries for name, hash_ in entry.files.items()}
    assert files
    assert all(f"{name} {hash_}" in after for name, hash_ in files.items())


@pytest.mark.parametrize(("slice_", "status"), [("", 400), ("b1", 400), ("b9|2024-W05", 404)])
def test_a_slice_that_no_store_knows_is_named(http: Http, slice_: str, status: int) -> None:
    assert http.get("/console/slice", params={"slice": slice_}).status_code == status


def test_more_slices_than_a_page_has_are_read_page_by_page(stores: Stores, http: Http) -> None:
    take(stores, *(event(batch=f"b{n:02d}") for n in range(60)))
    first = http.get("/console/slices?status=planned")
    [link] = [part.partition('"')[0] for part in first.text.split('href="')[1:] if "after=" in part.partition('"')[0]]
    second = read(http, link.replace("&amp;", "&"))
    assert "b49" in text_of(first)
    assert "b50" not in text_of(first)
    assert "b50" in second
    assert "b49" not in second
    assert "Next slices" not in second


def test_the_grid_has_the_newest_weeks_and_one_row_for_all_older_ones() -> None:
    weeks = [IsoWeek(2024, number) for number in range(1, WEEKS + 3)]
    rows = grid([view("b", week, hot_rows=number) for number, week in enumerate(weeks)])
    assert (len(rows), rows[0].week, rows[-1].week) == (WEEKS + 1, f"2024-W{WEEKS + 2:02d}", "")
    assert sum(rows[-1].slices) == 2
    assert sum(row.hot_rows for row in rows) == sum(range(WEEKS + 2))


def test_the_grid_of_10_000_slices_has_no_more_rows_than_that(
    stores: Stores, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [view(f"b{n:05d}", IsoWeek(2024, 1 + n % 50)) for n in range(10_000)]
    monkeypatch.setattr(Queries, "pending_slices", lambda _queries: many)
    page = http.get("/console/slices").text
    assert page.count("<tr>") == 1 + WEEKS + 1 + 1 + 50
    assert len(page) < 60_000


@pytest.mark.parametrize("query", ["status=lost", "week=2024-W99", "week=1", "after=x", "after=%00", "batch=%ff%00"])
def test_a_wrong_filter_is_named_and_never_a_server_error(http: Http, query: str) -> None:
    answer = http.get(f"/console/slices?{query}")
    assert answer.status_code in (200, 400)
    assert "Traceback" not in text_of(answer)


def test_ids_in_any_script_are_shown_and_none_becomes_markup(stores: Stores, http: Http) -> None:
    take(stores, event(batch="वर्ग-५"), event(batch="வகுப்பு", user="u2"), event(batch=HOSTILE, user="u3"))
    page = http.get("/console/slices")
    assert "<script" not in page.text
    assert all(batch in page.text for batch in ("वर्ग-५", "வகுப்பு", html.escape(HOSTILE).replace("&quot;", "&#34;")))
    reflected = http.get("/console/slices", params={"batch": HOSTILE, "status": HOSTILE})
    assert "<script" not in reflected.text


# --- failed events ---


def test_failed_events_are_counted_by_reason_and_shown_escaped(stores: Stores, http: Http) -> None:
    take(stores, event(), HOSTILE.encode(), b"x" * 10_000, {"userId": "u1"})
    page = http.get("/console/failed")
    shown = text_of(page)
    assert "not_json 2" in shown
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "assess failed show" in shown
    assert "x" * 2001 not in page.text


def test_the_button_folds_failed_events_again(stores: Stores, http: Http) -> None:
    take(stores, b"{", b"}")
    answer = http.post("/console/failed/replay", data={"after": ""}, headers=OWN)
    assert "0 events are stored now; 2 failed again." in text_of(answer)
    assert http.post("/console/failed/replay", data={"after": "no cursor"}, headers=OWN).status_code == 400
    assert http.get("/console/failed?after=no+cursor").status_code == 400


def test_failed_events_are_read_page_by_page(stores: Stores, http: Http) -> None:
    take(stores, *([b"{"] * 25))
    page = http.get("/console/failed").text
    [link] = [part.partition('"')[0] for part in page.split('href="')[1:] if "after=" in part.partition('"')[0]]
    assert (page.count("<article>"), http.get(link).text.count("<article>")) == (20, 5)


def test_without_failed_events_there_is_no_button(http: Http) -> None:
    assert "No failed event waits." in read(http, "/console/failed")
    assert "<button>Replay" not in http.get("/console/failed").text


def test_failed_events_of_one_reason_are_listed_page_by_page(stores: Stores, http: Http) -> None:
    take(stores, *([b"{"] * 25), *([{"userId": "u1"}] * 25))
    page = http.get("/console/failed?reason=not_json").text
    assert page.count("<article>") == 20
    assert "Events of reason not_json" in page
    [link] = [part.partition('"')[0] for part in page.split('href="')[1:] if "after=" in part.partition('"')[0]]
    assert http.get(html.unescape(link)).text.count("<article>") == 5

    refused = http.get("/console/failed", params={"reason": HOSTILE})
    assert (refused.status_code, "<script" in refused.text) == (400, False)
    assert "the codes are bad_clock" in text_of(refused)


# --- steps ---


def test_the_steps_of_the_last_days_are_counted_and_listed_newest_first(stores: Stores) -> None:
    take(stores, event(batch="b1"), event(batch=HOSTILE, user="u2"))
    put_away(stores)
    operating = Operating(stores, open_ledger, lambda: NOW)
    with client(create_app(queries(stores), stores.log.intake(), operating=operating)) as http:
        page = http.get("/console/steps")
    assert "<script" not in page.text
    shown = text_of(page)
    assert f"{iso(NOW)[:10]} archived 2" in shown
    assert f"{iso(NOW)[:10]} cleared 2" in shown
    assert shown.index("The newest") < shown.index("b1|")


def test_steps_before_the_last_days_are_not_listed(stores: Stores, http: Http) -> None:
    take(stores, event(batch="b1"))
    put_away(stores)  # years before the clock of this machine
    assert "Nothing was archived" in read(http, "/console/steps")


# --- holds ---


def test_holds_in_force_are_listed_and_escaped(stores: Stores, http: Http) -> None:
    assert "No hold is in force." in read(http, "/console/holds")
    add_hold(stores, Target.LEARNER, "<u1>", "examinations office", "case <12>", MONDAY)
    add_hold(stores, Target.BATCH, "b1", "auditor", "audit", MONDAY, until=LATEST - 1)

    assert "<u1>" not in http.get("/console/holds").text
    shown = read(http, "/console/holds")
    assert "learner <u1> examinations office case <12> 2024-01-29" in shown
    assert "batch b1 auditor audit" in shown


def test_orders_to_erase_are_listed_without_the_learner(stores: Stores, http: Http) -> None:
    assert "No learner was erased." in read(http, "/console/holds")
    stores.hot.register.add(orders("key", ["u1"], Order("data protection office", "<asked>", MONDAY)))

    shown = read(http, "/console/holds")
    assert f"{keyed_hash('key', 'u1')} data protection office <asked> 2024-01-29" in shown
    assert " u1 " not in shown
