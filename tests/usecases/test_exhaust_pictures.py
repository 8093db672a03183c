"""Pictures beside a report: the figures of the overview as files, named and proved by the sidecar."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from msgspec import structs

from assess_core.adapters.duckdb.reports.analysis import LEAST
from assess_core.domain.moments import DAY
from assess_core.domain.report_formats import Format, ImageFormat, Password
from assess_core.domain.report_spec import Report, parse_report_spec
from assess_core.errors import BadReport
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import Exhaust, file_name, write_exhaust
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.tickets import reprint
from assess_core.wiring import open_output
from tests.adapters.test_names import opened, write_names
from tests.lakes import asked, keep, move, reports
from tests.loop import NOW
from tests.report_files import PASSWORD
from tests.usecases.test_exhaust_overview import of_class

BOTH = tuple(ImageFormat)
NAMES = [f"b1.csv.{kind}.{format_}" for kind in ("activity", "scores", "questions") for format_ in ("png", "svg")]


def written(stores: Stores, *formats: ImageFormat, report: Report = Report.SCORE) -> Exhaust:
    return write_exhaust(stores, asked("b1", report, pictures=formats or BOTH))


def contents(done: Exhaust) -> dict[str, bytes]:
    return {Path(path).name: Path(path).read_bytes() for path in done.pictures}


def test_three_pictures_of_each_format_lie_beside_the_report_and_its_sidecar_proves_them(stores: Stores) -> None:
    keep(stores.hot, of_class())

    done = written(stores)

    found = contents(done)
    assert sorted(found) == sorted(NAMES)
    assert sorted(path.name for path in Path(done.path).parent.iterdir()) == sorted(["b1.csv", "b1.csv.json", *NAMES])
    sidecar = json.loads(Path(f"{done.path}.json").read_text())
    assert {each["file"]: each["sha256"] for each in sidecar["pictures"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in found.items()
    }
    assert {name for each in sidecar["pictures"] for name in each["written_with"]} == {
        "duckdb", "jinja2", "pillow"
    }  # fmt: skip


def test_pictures_change_no_byte_and_no_name_of_the_report(stores: Stores) -> None:
    keep(stores.hot, of_class())
    plain = write_exhaust(stores, asked("b1", Report.SCORE))
    before = Path(plain.path).read_bytes()

    done = written(stores, ImageFormat.SVG)

    assert (done.path, Path(done.path).read_bytes()) == (plain.path, before)
    assert plain.pictures == []


@pytest.mark.long
def test_pictures_have_the_same_bytes_in_either_tier_and_beside_each_report(stores: Stores) -> None:
    rows = [*of_class(), *of_class("a2")]
    keep(stores.hot, rows)
    hot = contents(written(stores))
    move(stores.hot, stores.lake, rows[::2])

    assert contents(written(stores)) == hot
    page = contents(written(stores, report=Report.OVERVIEW))
    assert [*page.values()] == [*hot.values()]


def test_pictures_show_the_figures_of_the_analyses(stores: Stores) -> None:
    keep(stores.hot, of_class())

    shown = {name.split(".")[2]: text.decode() for name, text in contents(written(stores, ImageFormat.SVG)).items()}

    assert "2024-W05: 12 attempts of 12 learners" in shown["activity"]
    assert "What?: difficulty 0.17, discrimination 0.00" in shown["questions"]
    members = [int(found) for found in re.findall(r"maximum: (\d+) learners</title>", shown["scores"])]
    assert sum(members) == 24
    assert min(members) >= LEAST


def test_figures_of_few_learners_are_in_no_picture(stores: Stores) -> None:
    keep(stores.hot, of_class(learners=LEAST - 1))

    shown = contents(written(stores, ImageFormat.SVG))

    for name in ("b1.csv.scores.svg", "b1.csv.questions.svg"):
        assert b"too few learners: no figure is shown" in shown[name]
        assert b"<title>" not in shown[name]


def test_pictures_show_names_if_there_is_a_source_and_ids_if_there_is_none(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, of_class())
    names = opened(str(write_names(tmp_path / "names.csv", [("assessment", "a1", "Fractions <1>", "")])))

    named = written(stores._replace(names=names), ImageFormat.SVG)

    assert b"Fractions &lt;1&gt; (a1), batch b1" in contents(named)["b1.csv.scores.svg"]
    assert named.sidecar.names is not None
    assert b">a1, batch b1<" in contents(written(stores, ImageFormat.SVG))["b1.csv.scores.svg"]


def test_a_report_that_is_printed_again_has_the_same_pictures(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, of_class())
    spec = asked("b1", Report.SCORE, pictures=BOTH)
    first = write_exhaust(stores, spec, ticket=NewTicket(DAY, lambda: NOW))
    before = contents(first)
    keep(stores.hot, of_class("a2"))
    assert first.sidecar.ticket is not None

    output = open_output(str(tmp_path / "again.csv"), Format.CSV)
    again = reprint(stores, first.sidecar.ticket, NOW, output).written

    assert [*contents(again).values()] == [*before.values()]
    assert [each.file for each in again.sidecar.pictures] == [*contents(again)]
    assert [each.sha256 for each in again.sidecar.pictures] == [each.sha256 for each in first.sidecar.pictures]


def test_pictures_lie_beside_a_file_that_is_named(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, of_class())
    target = tmp_path / "mine.csv"

    spec = asked("b1", Report.SCORE, pictures=(ImageFormat.PNG,))
    done = write_exhaust(stores, spec, open_output(str(target), Format.CSV))

    assert done.pictures == [f"{target}.{kind}.png" for kind in ("activity", "scores", "questions")]
    assert {oct(Path(path).stat().st_mode & 0o777) for path in done.pictures} == {"0o600"}


def test_nothing_appears_if_pictures_have_no_place_or_would_not_be_encrypted(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, of_class())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(BadReport, match=r"pictures: .*pipe has no place beside it; name a file, or leave them out"):
        write_exhaust(stores, asked("b1", Report.SCORE, pictures=BOTH), open_output(str(pipe), Format.CSV))
    with pytest.raises(BadReport, match="pictures: they would not be encrypted; leave them out"):
        write_exhaust(stores, asked("b1", Report.SCORE, Format.ZIP, pictures=BOTH), password=Password(PASSWORD))
    assert not reports(stores).exists()


def test_pictures_change_no_name_of_a_report_with_filters() -> None:
    spec = asked("b1", Report.SCORE, course="c1", assessments=("a1",))
    assert file_name(spec) == file_name(structs.replace(spec, pictures=BOTH))


def test_names_of_files_are_short_enough_with_pictures() -> None:
    assert len(f"{file_name(asked('é' * 400, Report.SCORE, pictures=BOTH))}.partial.questions.svg") <= 255


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"pictures": ["svg", "gif"]}, "pictures: 'gif' is not one of svg, png"),
        ({"pictures": "svg", "versions": "all"}, "pictures: they show newest versions"),
        ({"pictures": "svg", "userId": "u1"}, "pictures: they have figures of many learners"),
        ({"pictures": "svg", "since": "2024-01-01"}, "pictures: they have figures of all attempts"),
    ],
)
def test_options_that_contradict_pictures_are_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(BadReport, match=re.escape(problem)):
        parse_report_spec({"report": "score", "batchId": "b1", **options})


def test_pictures_are_asked_for_once_in_any_order() -> None:
    spec = parse_report_spec({"report": "score", "batchId": "b1", "pictures": ["svg", "png", "svg"]})
    assert spec.pictures == (ImageFormat.PNG, ImageFormat.SVG)
