"""The labels of the pictures that Dagster shows."""

import pytest

from assess_assets.metadata import labelled


@pytest.mark.parametrize("bars", [0, 1, 10, 12])
def test_every_bar_has_a_label_if_there_are_few(bars: int) -> None:
    assert list(labelled(bars)) == list(range(bars))


@pytest.mark.parametrize(("bars", "labels"), [(13, 7), (52, 11), (520, 12)])
def test_only_some_bars_have_a_label_if_there_are_many(bars: int, labels: int) -> None:
    assert len(labelled(bars)) == labels
