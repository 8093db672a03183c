"""The metadata of the slices of a run."""

from assess_assets.outcomes import of_slices
from assess_core.domain.slices import ArchiveSlice

W5, W6 = ArchiveSlice.parse("b1|2024-W05"), ArchiveSlice.parse("b1|2024-W06")


def test_a_slice_that_lost_its_rows_in_both_tiers_shows_its_problem() -> None:
    lost = f"{W6}: the lake's files differ from the manifest: rows 0 instead of 3"

    shown = of_slices({W5: {"rows": 3}}, "rows", size=1, seconds=0.1, problems={W6: lost})

    assert shown[str(W6)]["problem"].value == "the lake's files differ from the manifest: rows 0 instead of 3"
    assert shown[str(W6)]["dagster/partition_row_count"].value == 0
    assert shown[str(W5)]["dagster/partition_row_count"].value == 3


def test_a_run_whose_only_slice_lost_its_rows_shows_the_totals_of_the_run() -> None:
    shown = of_slices({}, "rows", size=0, seconds=0.1, problems={W6: "b1|2024-W06: nothing is left"})

    assert shown[str(W6)]["rows of the run"].value == 0
