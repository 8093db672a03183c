"""When slices are archived and cleared: once a week, if the stores show that a slice needs it."""

from collections.abc import Callable, Sequence
from typing import Final

import dagster as dg

from assess_assets.partitions import archive_slices
from assess_assets.registration import ranges
from assess_assets.resources import Lakehouse
from assess_core.domain.slice_status import SliceView
from assess_core.usecases.pending import pending_views
from assess_core.usecases.retaining import clearable

MAX_GAP = 300  # a slice that needs nothing costs 47 ms in a run; 300 cost as much as another run, 15 s
_INTERVAL: Final = 60  # seconds; each evaluation lists all keys: 0.4 s for 25,000 of them, 1.5 s for 100,000


class SlicesThat(dg.AutomationCondition[dg.AssetKey]):
    """Selects the registered slices that need a step. It reads the stores, not Dagster's log.

    Also selects up to 300 slices in a row that need nothing: that costs less than another run. If the condition before
    it is false, the stores are not read.
    """

    def __init__(
        self, name: str, needs_it: Callable[[SliceView], bool], lakehouse: Lakehouse, *, by_rule: bool = False
    ) -> None:
        self._name = name
        self._needs_it = needs_it
        self._lakehouse = lakehouse
        self._by_rule = by_rule
        """Whether rules of retention and holds can forbid the step."""

    @property
    def name(self) -> str:
        """The name in Dagster's UI."""
        return self._name

    @property
    def requires_cursor(self) -> bool:
        """False: the condition keeps no state between evaluations."""
        return False

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Select among the candidates. Raises the errors of `Lakehouse.open`: the tick fails, the next one retries."""
        if context.candidate_subset.is_empty:
            return dg.AutomationResult(context, context.get_empty_subset())
        view = context.asset_graph_view
        keys = self._wanted(view.instance.get_dynamic_partitions(str(archive_slices.name)))
        return dg.AutomationResult(context, view.get_subset_from_partition_keys(context.key, archive_slices, keys))

    def _wanted(self, registered: Sequence[str]) -> set[str]:
        with self._lakehouse.open() as opened:
            views = pending_views(opened.stores, opened.now, opened.settings.grace, opened.unread)
            needed = [view.slice for view in views if self._needs_it(view)]
            if self._by_rule:
                needed, _ = clearable(needed, opened.stores, opened.retention or (), opened.now)
        wanted = set(map(str, needed))
        return {key for each in ranges(registered, wanted, gap=MAX_GAP) for key in each.keys(registered)}


def weekly(hour: int, slices: SlicesThat) -> dg.AutomationCondition[dg.AssetKey]:
    """Those slices, on Tuesdays at this hour (UTC). A week ends on Monday at 00:00 UTC and closes a day later."""
    return dg.AutomationCondition.cron_tick_passed(f"0 {hour} * * 2", "UTC") & slices


to_archive = weekly(2, SlicesThat("closed and not verified", lambda view: view.needs_archive, Lakehouse()))
to_clear = weekly(4, SlicesThat("verified and not cleared", lambda view: view.needs_clear, Lakehouse(), by_rule=True))

# `use_user_code_server`: Dagster's daemon knows only its own conditions; ours are evaluated in the code server
archive_closed_weeks = dg.AutomationConditionSensorDefinition(
    "archive_closed_weeks",
    target=dg.AssetSelection.assets("archived_attempts"),
    description="Archives and verifies every closed slice that is not verified yet, on Tuesdays at 02:00 UTC.",
    minimum_interval_seconds=_INTERVAL,
    use_user_code_server=True,
)
clear_verified_weeks = dg.AutomationConditionSensorDefinition(
    "clear_verified_weeks",
    target=dg.AssetSelection.assets("cleared_attempts"),
    description="Clears every verified slice that no hold and no rule keeps, on Tuesdays at 04:00 UTC. "
    "It DELETES ROWS of the hot store.",
    minimum_interval_seconds=_INTERVAL,
    use_user_code_server=True,
)
