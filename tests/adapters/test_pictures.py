"""Pictures as SVG and PNG files: both show the same shapes, and texts of clients are shown and never run."""

from io import BytesIO
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assess_core.adapters.pictures.look import COLOURS
from assess_core.adapters.pictures.png import png
from assess_core.adapters.pictures.svg import svg
from assess_core.domain.charts import merged
from assess_core.domain.overview import Assessment, Label, Overview, Question, Week
from assess_core.domain.pictures import MOST_ASSESSMENTS, WIDTH, Kind, Picture, pictures_of
from tests.lakes import NASTY

NAMESPACE = "{http://www.w3.org/2000/svg}"


def of_assessment(name: str = "", content_id: str = "a1", question: str = "What?") -> Assessment:
    questions = [
        Question("q1", question, 20, 0.5, 0.4, ()),
        Question("q2", question, 20, 0.9, -0.2, ()),
        Question("q3", question, None, None, None, ()),
    ]
    scores = merged([10, 0, 0, 5, 5, 0, 0, 0, 0, 20], 10)
    return Assessment(
        Label("b1", name), Label("c1"), Label(content_id, name), 20, 1.0, 1.0, None, None, scores, questions
    )


def suppressed(content_id: str = "a2") -> Assessment:
    return of_assessment(content_id=content_id)._replace(learners=None, mean=None, scores=[], questions=[])


def drawn(*assessments: Assessment, left_out: int = 0) -> dict[Kind, Picture]:
    weeks = [Week("2024-W05", 12, 11), Week("2024-W07", 24, 20)]
    overview = Overview("Batch b1", "", 36, 20, "first", 10, weeks, assessments, left_out)
    return pictures_of(overview)


def texts(picture: Picture) -> list[str]:
    return [text.text for text in picture.texts]


def pixels(picture: Picture) -> Image.Image:
    return Image.open(BytesIO(png(picture))).convert("RGB")


def colour(image: Image.Image, x: float, y: float) -> str:
    scale = image.width / WIDTH
    pixel = image.getpixel((round(x * scale), round(y * scale)))
    assert isinstance(pixel, tuple)
    return "#{:02x}{:02x}{:02x}".format(*pixel)


def test_a_picture_of_scores_shows_the_number_of_learners_of_each_bar() -> None:
    shown = drawn(of_assessment())[Kind.SCORES]

    assert [bar.text for bar in shown.bars] == [
        "0-10 % of the maximum: 10 learners",
        "10-50 % of the maximum: 10 learners",
        "50-100 % of the maximum: 20 learners",
    ]
    assert {"Distribution of scores: Batch b1", "a1, batch b1", "10", "20", "share of the maximum"} <= set(texts(shown))


def test_a_question_to_look_at_has_another_colour_and_a_suppressed_one_no_dot() -> None:
    shown = drawn(of_assessment())[Kind.QUESTIONS]

    assert [(dot.text.partition(":")[0], dot.is_marked) for dot in shown.dots] == [("What?", False), ("What?", True)]
    image = pixels(shown)
    assert [colour(image, dot.x, dot.y) for dot in shown.dots] == [COLOURS.bar, COLOURS.mark]


def test_an_assessment_of_few_learners_has_its_name_and_no_figure_in_any_picture() -> None:
    shown = drawn(suppressed())

    for kind in (Kind.SCORES, Kind.QUESTIONS):
        assert [*shown[kind].bars, *shown[kind].dots, *shown[kind].lines] == []
        assert texts(shown[kind])[1:] == ["a2, batch b1", "too few learners: no figure is shown"]


def test_an_assessment_whose_questions_are_all_suppressed_says_why_it_has_no_dot() -> None:
    questions = [Question("q1", "What?", None, None, None, ())]
    shown = drawn(of_assessment()._replace(questions=questions))[Kind.QUESTIONS]

    assert texts(shown)[1:] == ["a1, batch b1", "too few learners: no figure is shown"]
    undefined = drawn(of_assessment()._replace(questions=[questions[0]._replace(learners=20)]))[Kind.QUESTIONS]
    assert texts(undefined)[1:] == ["a1, batch b1", "no figure is defined"]


def test_shapes_lie_within_the_picture_and_have_their_colour_in_the_png() -> None:
    for shown in drawn(of_assessment(), suppressed(), of_assessment(content_id="a3")).values():
        image = pixels(shown)
        assert image.size == (2 * WIDTH, 2 * shown.height)
        for bar in shown.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
            assert 0 <= bar.y <= bar.y + bar.height <= shown.height
            assert colour(image, bar.x + bar.width / 2, bar.y + bar.height / 2) == COLOURS.bar
        for dot in shown.dots:
            assert colour(image, dot.x, dot.y) in (COLOURS.bar, COLOURS.mark)


def test_the_svg_has_a_shape_with_its_text_for_each_bar_and_dot() -> None:
    for shown in drawn(of_assessment()).values():
        root = ElementTree.fromstring(svg(shown))
        titles = [title.text for title in root.iter(f"{NAMESPACE}title")]
        assert titles == [*(bar.text for bar in shown.bars), *(dot.text for dot in shown.dots)]
        assert (root.get("width"), root.get("height")) == (str(WIDTH), str(shown.height))


@pytest.mark.parametrize(
    "text", [*NASTY, "</text><script>alert(1)</script>", '" onload="x', "\x01\ufffe", "{{ 7 * 7 }}"]
)
def test_texts_of_clients_never_become_elements_or_break_the_file(text: str) -> None:
    for shown in drawn(of_assessment(text, text, text)).values():
        root = ElementTree.fromstring(svg(shown))
        assert {element.tag.removeprefix(NAMESPACE) for element in root.iter()} <= {
            "svg", "rect", "circle", "line", "text", "title"
        }  # fmt: skip
        assert not [name for element in root.iter() for name in element.attrib if name[:2] == "on" or "href" in name]


def test_a_png_can_show_any_text() -> None:
    shown = drawn(*(of_assessment(text, text, text) for text in ("", "\x01\ufffe", *NASTY)))[Kind.QUESTIONS]

    assert pixels(shown).height == 2 * shown.height


def test_a_png_shows_the_id_if_its_font_lacks_letters_of_the_name() -> None:
    named, plain = drawn(of_assessment("भारत का इतिहास")), drawn(of_assessment())

    assert png(named[Kind.SCORES]) == png(plain[Kind.SCORES])
    assert "भारत का इतिहास" in svg(named[Kind.SCORES]).decode()


def test_a_picture_says_how_many_assessments_it_leaves_out() -> None:
    shown = drawn(*(of_assessment(content_id=f"a{number}") for number in range(MOST_ASSESSMENTS + 2)), left_out=3)

    assert "5 more assessments are not shown; the report overview has up to a hundred." in texts(shown[Kind.SCORES])
    assert not [text for text in texts(shown[Kind.ACTIVITY]) if "not shown" in text]


def test_without_attempts_each_picture_says_so() -> None:
    for shown in pictures_of(Overview("Batch b1", "", 0, 0, "first", 10, [], [], 0)).values():
        assert texts(shown)[1:] == ["No attempt was asked for, so there is nothing to show."]
        assert svg(shown)
        assert png(shown)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=100), st.text(max_size=100))
def test_any_text_gives_an_svg_that_can_be_read(name: str, content_id: str) -> None:
    for shown in drawn(of_assessment(name, content_id)).values():
        assert ElementTree.fromstring(svg(shown)).tag == f"{NAMESPACE}svg"
