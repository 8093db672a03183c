"""Settings -> stores: the only place that chooses an adapter, and it chooses by URL."""

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from assess_core.errors import BadSettings
from assess_core.facts import Facts, FactsFile
from assess_core.ports import HotStore, Log, Positions, Say, Stores
from assess_core.settings import Settings
from assess_core.weekly import WeeklyTable


def open_stores(settings: Settings) -> Stores:
    """Open every store that the settings name. Raises `BadSettings`, `StoreUnavailable`, `NotOurTable`."""
    from assess_core.stores.delta import DeltaLake
    from assess_core.stores.union import open_union

    hot, positions = open_hot(settings)
    log = open_log(settings, positions)
    lake = DeltaLake(_folder("ASSESS_LAKE", settings.lake))
    return Stores(hot, log, lake, partial(open_union, hot, lake), _folder("ASSESS_EXHAUSTS", settings.exhausts))


def open_hot(settings: Settings) -> tuple[HotStore, Positions]:
    """The hot store and where its positions are: all that the stream needs, whatever state the lake is in.

    Raises `BadSettings`, `StoreUnavailable`, `NotOurTable`.
    """
    from assess_core.stores.sqlite import SqliteHot

    scheme = urlsplit(settings.hot_store).scheme
    if scheme != "sqlite":
        raise BadSettings(f"ASSESS_HOT_STORE: {settings.hot_store!r} is not a store; write sqlite:///PATH")
    hot = SqliteHot(settings.hot_store)
    return hot, hot


def open_weekly(settings: Settings) -> WeeklyTable:
    """The table of weekly activity, in the lake's folder. Raises `BadSettings`."""
    from assess_core.stores.weekly import DeltaWeekly

    return DeltaWeekly(_folder("ASSESS_LAKE", settings.lake) / "weekly_activity")


def open_log(settings: Settings, positions: Positions) -> Log:
    """The log that the stream follows; `positions` of the hot store, for a folder. Raises `BadSettings`."""
    if settings.log.startswith("kafka://"):
        from assess_core.stores.kafka import KafkaLog

        return KafkaLog(settings.log)
    from assess_core.stores.folder_log import FolderLog

    return FolderLog(_folder("ASSESS_LOG", settings.log), positions)


def open_facts(where: str, say: Say) -> Facts | None:
    """What is known of courses, assessments and batches; None where `where` is empty: nothing. `say` hears of changes.

    Raises `BadFacts`, `BadSettings`.
    """
    if not where:
        return None
    if "://" in where:
        raise BadSettings(f"ASSESS_FACTS: {where!r} is not a file; write a path")
    return FactsFile(Path(where), say)


def _folder(name: str, text: str) -> Path:
    if "://" in text:
        raise BadSettings(f"{name}: {text!r} is not a path; write a folder")
    return Path(text).absolute()
