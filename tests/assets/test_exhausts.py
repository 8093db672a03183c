"""Reports from Dagster."""

from pathlib import Path

import dagster as dg
import pytest

from assess_core.domain.report_spec import Report
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_output
from tests.assets.conftest import Dagster
from tests.factories import event, wire_answer
from tests.lakes import asked


@pytest.mark.parametrize("report", list(Report))
def test_a_report_has_the_bytes_that_the_core_writes(dagster: Dagster, report: Report, tmp_path: Path) -> None:
    dagster.ingest([event(user="u1"), event(user="u2", answers=[wire_answer(id="q1"), wire_answer(id="q2")])])
    dagster.tick()

    asset = f"{report.replace('-', '_')}_exhaust"
    result = dagster.materialize(asset, "b1")

    [materialization] = result.asset_materializations_for_node(asset)
    expected = write_exhaust(dagster.stores, asked("b1", report), output=open_output(str(tmp_path / "expected"), None))
    path = Path(str(materialization.metadata["path"].value))
    assert path.read_bytes() == Path(expected.path).read_bytes()
    assert materialization.metadata["rows"].value == expected.rows
    assert materialization.metadata["bytes"].value == path.stat().st_size
    assert {"seconds", "preview", "picture"} <= materialization.metadata.keys()


def test_a_report_has_the_options_of_its_configuration(dagster: Dagster) -> None:
    dagster.ingest([event(user="u1"), event(user="u2", course="c2")])
    dagster.tick()
    options = {"courseId": "c2", "columns": ["user_id"], "pictures": ["svg"]}

    result = dagster.materialize("score_exhaust", "b1", score_exhaust={"options": options, "ticket": True})

    [materialization] = result.asset_materializations_for_node("score_exhaust")
    assert Path(str(materialization.metadata["path"].value)).read_text() == "user_id\nu2\n"
    [ticket] = dagster.stores.lake.tickets.all()
    assert materialization.metadata["ticket"].value == ticket.id
    pictures = str(materialization.metadata["pictures"].value).splitlines()
    assert [Path(picture).read_bytes()[:4] for picture in pictures] == [b"<svg"] * 3


def test_options_that_a_report_does_not_have_fail_with_every_problem(dagster: Dagster) -> None:
    dagster.ingest([event()])
    dagster.tick()

    result = dagster.materialize("score_exhaust", "b1", score_exhaust={"options": {"weeks": ["x"], "color": "red"}})

    assert not result.success
    error = dagster.error_of(result)
    assert "weeks: 'x' does not name an ISO week" in error
    assert "'color': no such option" in error


def test_the_preview_of_a_large_report_is_small(dagster: Dagster) -> None:
    answer = wire_answer(title="t" * 500)
    dagster.ingest([event(user=f"u{n}", answers=[answer]) for n in range(30)])
    dagster.tick()

    result = dagster.materialize("response_exhaust", "b1")

    [materialization] = result.asset_materializations_for_node("response_exhaust")
    assert materialization.metadata["rows"].value == 30
    preview = materialization.metadata["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert len(preview.records) == 10
    longest = [max(len(str(cell)) for cell in record.data.values()) for record in preview.records]
    assert longest == [120] * 10
    assert (
        len(str(materialization.metadata["picture"].value)) < 5000
    )  # Dagster stores a picture with each materialization


def test_the_reports_of_several_batches_are_written_in_one_run(dagster: Dagster) -> None:
    dagster.ingest([event(batch=f"b{n}") for n in range(3)])
    dagster.tick()

    result = dagster.materialize("score_exhaust", "b0", "b2")

    assert {event.partition for event in result.get_asset_materialization_events()} == {"b0", "b1", "b2"}


def test_an_unknown_batch_fails_with_its_name_and_the_others_are_written(dagster: Dagster) -> None:
    dagster.ingest([event(batch="b1"), event(batch="b3")])
    dagster.register("batches", ["b1", "unknown", "b3"])

    result = dagster.materialize("response_exhaust", "b1", "b3")

    assert not result.success
    assert "unknown: no store knows batch 'unknown'" in dagster.error_of(result)
    assert {event.partition for event in result.get_asset_materialization_events()} == {"b1", "b3"}


def test_a_huge_answer_and_a_huge_score_do_not_break_the_picture(dagster: Dagster) -> None:
    answer = wire_answer(score=1e308, maxscore=1e-308, title="t" * 200_000)
    dagster.ingest([event(answers=[answer, wire_answer(id="q2", score=-5), wire_answer(id="q3", maxscore=0)])])
    dagster.tick()

    assert dagster.materialize("response_exhaust", "b1").success
