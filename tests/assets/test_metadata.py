"""Pictures and tables that Dagster shows."""

import pytest

from assess_assets.metadata import labelled


@pytest.mark.parametrize("bars", [0, 1, 10, 12])
def test_every_bar_of_a_picture_has_a_label(bars: int) -> None:
    assert list(labelled(bars)) == list(range(bars))


@pytest.mark.parametrize(("bars", "labels"), [(13, 7), (52, 11), (520, 12)])
def test_of_many_bars_as_many_have_a_label_as_fit(bars: int, labels: int) -> None:
    assert len(labelled(bars)) == labels
