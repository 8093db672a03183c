"""The pictures of runs: which texts they have, and where the shapes are."""

import pytest

from assess_core.domain.pictures import WIDTH, Picture
from assess_core.domain.run_pictures import bar_picture, dot_picture, labelled
from assess_core.wiring.pictures import small_png

WEEKS = [f"2024-W{week:02}" for week in range(1, 53)]


def texts(picture: Picture) -> list[str]:
    return [text.text for text in picture.texts]


@pytest.mark.parametrize(
    ("labels", "shown"), [([], 0), (WEEKS[:1], 1), (WEEKS[:10], 10), (WEEKS[:11], 6), (WEEKS, 9), (["w" * 500] * 9, 1)]
)
def test_every_bar_has_a_label_if_all_fit_and_some_have_one_if_not(labels: list[str], shown: int) -> None:
    assert len(labelled(labels)) == shown


def test_the_second_series_stands_on_the_first_in_another_colour() -> None:
    picture = bar_picture("rows", {"hot store": {"W1": 1, "W2": 3}, "lake": {"W1": 2, "W2": 3}})

    first, second = picture.bars[:2], picture.bars[2:4]
    assert [(bar.is_second, bar.text) for bar in picture.bars[:4]] == [
        (False, "W1: 3"), (False, "W2: 6"), (True, "W1: 3"), (True, "W2: 6")
    ]  # fmt: skip
    for below, above in zip(first, second, strict=True):
        assert above.x == below.x
        assert above.y + above.height == pytest.approx(below.y, abs=0.02)
    assert {"hot store", "lake", "W1", "W2", "3", "6"} <= set(texts(picture))


def test_one_series_has_no_key() -> None:
    assert texts(bar_picture("rows", {"rows": {"W1": 1}})) == ["rows", "1", "W1"]


def test_of_many_bars_only_the_highest_is_named() -> None:
    picture = bar_picture("rows", {"rows": {week: float(number) for number, week in enumerate(WEEKS)}})

    assert "highest: 51" in texts(picture)
    assert "50" not in texts(picture)


@pytest.mark.parametrize("heights", [{}, {"W1": 0.0}, {"W1": 0.0, "W2": 1e308}, dict.fromkeys(WEEKS, 1e-308)])
def test_any_heights_can_be_drawn(heights: dict[str, float]) -> None:
    picture = bar_picture("rows", {"rows": heights})

    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH and 0 <= bar.y <= picture.height for bar in picture.bars)
    assert small_png(picture).startswith(b"\x89PNG")


def test_dots_outside_are_drawn_at_the_edge() -> None:
    picture = dot_picture("questions", [(0.5, 0.0), (2.0, -9.0), (1.0, -1.0)])

    assert picture.dots[1][:2] == picture.dots[2][:2]
    assert picture.dots[0].x == WIDTH / 2
    assert len(small_png(picture)) < 4000
