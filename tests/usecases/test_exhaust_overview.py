"""The overview: one page about a batch, with pictures, that needs no other file and no network."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from assess_core.adapters.duckdb.reports import overview
from assess_core.adapters.duckdb.reports.analysis import LEAST
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.charts import HEIGHT, WIDTH, columns, dots, histogram, merged
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Naming, Report, parse_report_spec
from assess_core.errors import BadReport
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from tests.adapters.test_names import opened, write_names
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, version
from tests.lakes import NASTY, asked, keep, move, reports

CLASS = 24


def of_class(content_id: str = "a1", learners: int = CLASS, title: str = "What?") -> list[AttemptVersion]:
    """A class in which a third answers the first question right, and half the second one."""
    return [
        version(
            user_id=f"u{learner:03}",
            content_id=content_id,
            attempted=ATTEMPTED,
            received=RECEIVED + learner % 2 * WEEK,
            answers=[
                structs.replace(answer("q1", score=float(learner % 3 == 0)), title=title),
                structs.replace(answer("q2", score=float(learner % 2 == 0)), title=title),
            ],
        )
        for learner in range(learners)
    ]


def page(stores: Stores, **options: Any) -> str:
    return Path(write_exhaust(stores, asked("b1", Report.OVERVIEW, **options)).path).read_text(encoding="utf-8")


class Elements(HTMLParser):
    """The tags of a page with their attributes, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_the_page_shows_the_figures_of_the_analyses(stores: Stores) -> None:
    keep(stores.hot, of_class())

    shown = Elements(page(stores))

    assert {"attempts", "learners", "24", "mean score", "0.83"} <= set(shown.texts)
    assert "2024-W05: 12 attempts of 12 learners" in shown.texts
    assert [text for text in shown.texts if text.startswith("What?: difficulty")] == [
        "What?: difficulty 0.17, discrimination 0.00",
        "What?: difficulty 0.25, discrimination 0.00",
    ]


def test_the_page_has_the_same_bytes_in_either_tier(stores: Stores) -> None:
    rows = [*of_class(), *of_class("a2")]
    keep(stores.hot, rows)
    hot = page(stores)
    move(stores.hot, stores.lake, rows[::2])
    both = page(stores)
    move(stores.hot, stores.lake, rows[1::2])

    assert hot == both == page(stores)


def test_the_page_runs_no_script_and_loads_nothing(stores: Stores) -> None:
    keep(stores.hot, of_class())

    tags = Elements(page(stores)).tags

    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags}
    assert not [
        name for _, attributes in tags for name in attributes if name in ("src", "href", "style") or name[:2] == "on"
    ]
    [policy] = [each["content"] for tag, each in tags if tag == "meta" and "http-equiv" in each]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


@pytest.mark.parametrize("text", [*NASTY, "</title><script>alert(1)</script>", '" onload="x', "भारत", "{{ 7 * 7 }}"])
def test_texts_of_clients_are_shown_and_never_run(stores: Stores, text: str) -> None:
    keep(stores.hot, of_class(content_id=text, title=text))

    shown = Elements(page(stores))

    assert "script" not in {tag for tag, _ in shown.tags}
    assert text.strip() in shown.texts


def test_the_page_shows_names_beside_ids_and_only_ids_without_a_source(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, [*of_class(), *of_class("a2")])
    rows = [
        ("batch", "b1", "Teachers <2024>", ""),
        ("course", "c1", "Maths", ""),
        ("assessment", "a1", "Fractions", ""),
    ]
    named = stores._replace(names=opened(str(write_names(tmp_path / "names.csv", rows))))

    shown = Elements(page(named)).texts

    assert {"Teachers <2024>", "Batch b1", "Fractions", "a2"} <= set(shown)
    assert "assessment a1, batch Teachers <2024> (b1), course Maths (c1)" in shown
    assert "batch Teachers <2024> (b1), course Maths (c1)" in shown  # of the assessment without a name
    assert page(stores) == page(named, names=Naming.NONE)
    assert {"Batch b1", "a1", "a2", "batch b1, course c1"} <= set(Elements(page(stores)).texts)


def test_the_sidecar_of_the_page_says_which_names_were_read(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, [*of_class(), *of_class("a2")])
    names = opened(str(write_names(tmp_path / "names.csv", [("assessment", "a1", "Fractions", "")])))

    read = write_exhaust(stores._replace(names=names), asked("b1", Report.OVERVIEW)).sidecar.names

    assert read is not None
    assert (read.asked["assessment"], read.found["assessment"]) == (2, 1)
    assert "learner" not in read.asked


def test_an_assessment_of_few_learners_shows_no_figure(stores: Stores) -> None:
    keep(stores.hot, of_class(learners=LEAST - 1))

    shown = Elements(page(stores))

    assert "Too few learners: no figure is shown." in shown.texts
    assert "svg" in {tag for tag, _ in shown.tags}  # the activity
    assert not [text for text in shown.texts if "of the maximum:" in text or "difficulty" in text]


def test_a_page_without_attempts_says_so(stores: Stores) -> None:
    keep(stores.hot, of_class())

    assert "No attempt was asked for" in page(stores, course="another")


def test_the_page_says_how_many_assessments_it_leaves_out(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MOST_ASSESSMENTS", 1)
    keep(stores.hot, [*of_class("a1"), *of_class("a2")])

    assert "1 assessment is not shown" in page(stores)


def test_the_mark_of_the_best_attempt_counts_if_asked_for(stores: Stores) -> None:
    again = [
        version(
            user_id=f"u{learner:03}", attempt_id="t9", attempted=ATTEMPTED + 1, answers=[answer("q1"), answer("q2")]
        )
        for learner in range(CLASS)
    ]
    keep(stores.hot, [*of_class(), *again])

    spec = parse_report_spec({"report": "overview", "batchId": "b1", "counted": "best"})
    shown = Elements(Path(write_exhaust(stores, spec).path).read_text(encoding="utf-8"))

    assert re.search(r"count the best attempt", " ".join(shown.texts))
    assert "What is 1 + 1?: difficulty 1.00" not in shown.texts
    assert "2.00" in shown.texts  # the mean score


def test_the_overview_is_html_and_has_a_sidecar(stores: Stores) -> None:
    keep(stores.hot, of_class())

    written = write_exhaust(stores, parse_report_spec({"report": "overview", "batchId": "b1"}))

    assert Path(written.path).name == "b1.html"
    assert (written.rows, written.attempts) == (1, CLASS)
    assert written.sidecar.written_with.keys() == {"duckdb", "jinja2"}
    assert {path.name for path in reports(stores).rglob("*.*")} == {"b1.html", "b1.html.json"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"report": "overview", "format": "csv"}, "format: the report overview is a page with pictures"),
        ({"report": "score", "format": "html"}, "format: html is for the report overview; use csv, csv.gz"),
        ({"report": "overview", "columns": ["x"]}, "columns: the report overview has none"),
        ({"report": "overview", "names": "learners"}, "names: the report overview has no learners; use titles"),
        ({"report": "overview", "userId": "u1"}, "userId: the report overview has figures of many learners"),
        ({"report": "overview", "byWeek": True}, "byWeek: it is for the reports item-analysis"),
    ],
)
def test_options_that_a_page_cannot_have_are_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(BadReport, match=re.escape(problem)):
        parse_report_spec({**options, "batchId": "b1"})


def test_every_other_report_is_csv_if_no_format_is_given() -> None:
    formats = {parse_report_spec({"report": report, "batchId": "b1"}).format for report in Report}
    assert formats == {Format.CSV, Format.HTML}


# --- pictures ---


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=10, max_size=10))
def test_no_bar_of_a_distribution_stands_for_few_learners_and_none_is_lost(tenths: list[int]) -> None:
    parts = merged(tenths, LEAST)

    assert all(part.members >= LEAST for part in parts)
    assert sum(part.members for part in parts) == (sum(tenths) if parts else 0)
    assert bool(parts) == (sum(tenths) >= LEAST)
    assert [part.members for part in parts] == [sum(tenths[part.begin : part.end]) for part in parts]
    ends = [0, *(part.end for part in parts)]
    assert [part.begin for part in parts] == ends[:-1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**12), max_size=60))
def test_bars_stay_within_the_picture_and_their_heights_are_proportional(heights: list[int]) -> None:
    bars = columns(heights, [str(height) for height in heights])

    assert all(0 <= bar.x <= bar.x + bar.width <= WIDTH and 0 <= bar.y <= HEIGHT for bar in bars)
    assert [bar.height for bar in bars] == [
        pytest.approx(height / max(*heights, 1) * HEIGHT, abs=0.01) for height in heights
    ]


def test_the_area_of_a_bar_is_proportional_to_its_learners() -> None:
    parts = merged([10, 0, 0, 0, 5, 5, 0, 0, 0, 40], LEAST)

    bars = histogram(parts, ["", "", ""])

    assert [(part.begin, part.end, part.members) for part in parts] == [(0, 1, 10), (1, 6, 10), (6, 10, 40)]
    assert [round(bar.height, 1) for bar in bars] == [60.0, 12.0, 60.0]


def test_points_outside_the_picture_are_drawn_at_its_edge() -> None:
    drawn = dots([(-1, 2), (0.5, 0), (2, -2)], ["", "", ""], [False] * 3)

    assert [(dot.x, dot.y) for dot in drawn] == [(0, 0), (50, 30), (100, 60)]
