"""Unions of a hot store and a lake: the adapter of `ports.Unions`."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from assess_core.adapters.duckdb.location import location_of
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Totals
from assess_core.domain.slices import IsoWeek
from assess_core.domain.tickets import SealedFile
from assess_core.ports.hot_store import AttemptRange, HotStore
from assess_core.ports.lake import Lake
from assess_core.ports.reports import Located

if TYPE_CHECKING:
    from assess_core.adapters.duckdb.union import DuckUnion


class DuckUnions:
    """A `ports.Unions`; any thread may call it. DuckDB is imported at the first read: it takes 0.1 s."""

    def __init__(self, hot: HotStore, lake: Lake) -> None:
        self._hot = hot
        self._lake = lake

    def __call__(
        self,
        *,
        batches: Collection[str] | None = None,
        weeks: Collection[IsoWeek] | None = None,
        skip_unreadable: bool = False,
        scores: bool = False,
        answers: bool = True,
    ) -> "AbstractContextManager[DuckUnion]":
        from assess_core.adapters.duckdb.union import open_union

        return open_union(
            self._hot,
            self._lake,
            batches=batches,
            weeks=weeks,
            skip_unreadable=skip_unreadable,
            scores=scores,
            answers=answers,
        )

    def sealed(
        self, batches: Collection[str], lake_files: Sequence[SealedFile], hot_rows: Path | None
    ) -> "AbstractContextManager[DuckUnion]":
        from assess_core.adapters.duckdb.sealed import open_sealed

        return open_sealed(location_of(self._lake.pin()), batches, lake_files, hot_rows)

    def page(self, batch_id: str, asked: AttemptRange) -> list[AttemptVersion]:
        from assess_core.adapters.duckdb.pages import read_page

        return read_page(self._hot, self._lake, batch_id, asked)

    def archived(
        self, batch_ids: Collection[str], weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> list[AttemptVersion]:
        from assess_core.adapters.duckdb.archived import read_archived

        return read_archived(self._lake, batch_ids, weeks, user_id, hashes)

    def kept_totals(
        self, batch_id: str, weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> dict[bytes, Totals]:
        from assess_core.adapters.duckdb.archived import read_kept_totals

        return read_kept_totals(self._lake, batch_id, weeks, user_id, hashes)

    def located(
        self, batch_id: str, weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> list[Located]:
        from assess_core.adapters.duckdb.located import read_located

        return read_located(self._lake, batch_id, weeks, user_id, hashes)
