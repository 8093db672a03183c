"""The GraphQL types and fields for operators and auditors: failed events, replays, manifest, balance."""

from typing import Any

import graphene

from assess_core.domain.events import FailedEvent as StoredEvent
from assess_core.domain.holds import Hold as HoldInForce
from assess_core.domain.holds import Target
from assess_core.domain.manifest import Action as ManifestAction
from assess_core.domain.manifest import ManifestEntry as StoredEntry
from assess_core.domain.reasons import parse_reason
from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.balance import Balance as BalanceOfBatch
from assess_core.usecases.erased import Erasure as ErasureOrder
from assess_core.usecases.operating import MOST_ENTRIES, MOST_FAILED, MOST_REPLAYED, Replayed
from assess_core.usecases.paging import FIRST, cursor, read_failed_cursor
from graphql_api.reading import Info, operating_of
from graphql_api.types import Moment

_SHOWN = 10_000  # characters of a failed event

Action = graphene.Enum.from_enum(
    ManifestAction, name="ManifestAction", description=lambda value: None if value else "What was done to a slice."
)

HoldTarget = graphene.Enum.from_enum(
    Target, name="HoldTarget", description=lambda value: None if value else "What a hold protects."
)


class FailedEvent(graphene.ObjectType):
    """An event that was rejected, and is kept."""

    id = graphene.ID(required=True, description="Also the cursor of the page after it.")
    topic = graphene.String(required=True, description="The topic, or the file.")
    partition = graphene.Int(required=True)
    offset = graphene.String(required=True, description="The offset as text: it can be larger than an Int.")
    received_at = Moment()
    reason = graphene.String(required=True, description="A code, such as `not_json`.")
    message = graphene.String(required=True)
    bytes = graphene.Int(required=True, description="The size of the event.")
    text = graphene.String(
        required=True, description=f"The first {_SHOWN:,} characters; `assess failed show` has all of them."
    )

    @staticmethod
    def resolve_id(event: StoredEvent, _info: Info) -> str:
        return cursor(event.key)

    @staticmethod
    def resolve_offset(event: StoredEvent, _info: Info) -> str:
        return str(event.offset)

    @staticmethod
    def resolve_reason(event: StoredEvent, _info: Info) -> str:
        return event.reason.value

    @staticmethod
    def resolve_bytes(event: StoredEvent, _info: Info) -> int:
        return len(event.raw)

    @staticmethod
    def resolve_text(event: StoredEvent, _info: Info) -> str:
        return event.raw[: 4 * _SHOWN].decode(errors="replace")[:_SHOWN]


class Replay(graphene.ObjectType):
    """The result of a replay."""

    resolved = graphene.Int(required=True, description="Events that are stored now.")
    failed = graphene.Int(required=True, description="Events that failed again.")
    end_cursor = graphene.String(description="Where the next replay begins; null if there are no more failed events.")

    @staticmethod
    def resolve_end_cursor(done: Replayed, _info: Info) -> str | None:
        return cursor(done.last) if done.last else None


class ManifestFile(graphene.ObjectType):
    """A file that has rows of a slice."""

    name = graphene.String(required=True)
    sha256 = graphene.String(required=True)


class ManifestEntry(graphene.ObjectType):
    """What was done to a slice, and what the lake's files held then."""

    slice_id = graphene.ID(required=True)
    action = Action(required=True)
    at = Moment(required=True)
    delta_version = graphene.Int(required=True)
    rows = graphene.Int(required=True)
    versions = graphene.Int(required=True)
    attempts = graphene.Int(required=True)
    total_score = graphene.Float(required=True)
    digest = graphene.String(required=True, description="Over the distinct copies, in any order.")
    cleared = graphene.Int(required=True, description="Rows deleted from the hot store.")
    left = graphene.Int(required=True, description="Rows that stayed, because the lake did not have them.")
    problem = graphene.String(description="What a failed verification found.")
    code = graphene.String(required=True, description="The version of the software.")
    number = graphene.Int(required=True, description="The position in the slice's chain, from 1.")
    previous = graphene.String(required=True, description="The hash of the entry before it.")
    hash = graphene.String(required=True, description="Over this entry; how, is in docs/trust.md.")
    files = graphene.List(graphene.NonNull(ManifestFile), required=True)

    @staticmethod
    def resolve_slice_id(entry: StoredEntry, _info: Info) -> str:
        return str(entry.slice)

    @staticmethod
    def resolve_rows(entry: StoredEntry, _info: Info) -> int:
        return entry.contents.rows

    @staticmethod
    def resolve_versions(entry: StoredEntry, _info: Info) -> int:
        return entry.contents.versions

    @staticmethod
    def resolve_attempts(entry: StoredEntry, _info: Info) -> int:
        return entry.contents.attempts

    @staticmethod
    def resolve_total_score(entry: StoredEntry, _info: Info) -> float:
        return entry.contents.total_score

    @staticmethod
    def resolve_digest(entry: StoredEntry, _info: Info) -> str:
        return entry.contents.digest

    @staticmethod
    def resolve_files(entry: StoredEntry, _info: Info) -> list[dict[str, str]]:
        return [{"name": name, "sha256": sha256} for name, sha256 in sorted(entry.files.items())]


def _number(name: str) -> Any:
    def resolve(found: BalanceOfBatch, _info: Info) -> int:
        number: int = getattr(found.total, name)
        return number

    return resolve


class Balance(graphene.ObjectType):
    """A batch: named = hotOnly + lakeOnly + both + dropped + missing, in versions."""

    balanced = graphene.Boolean(required=True)
    named = graphene.Int(required=True, resolver=_number("named"), description="Versions that summaries name.")
    hot_only = graphene.Int(required=True, resolver=_number("hot_only"))
    lake_only = graphene.Int(required=True, resolver=_number("lake_only"))
    both = graphene.Int(required=True, resolver=_number("both"))
    dropped = graphene.Int(
        required=True, resolver=_number("dropped"), description="Named, and dropped from the lake by retention."
    )
    missing = graphene.Int(required=True, resolver=_number("missing"), description="Named, and in neither tier.")
    unnamed = graphene.Int(required=True, resolver=_number("unnamed"), description="In a tier, and not named yet.")
    failed = graphene.Int(required=True, resolver=_number("failed"), description="Failed events that wait.")
    unreadable = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="The lake's files that cannot be read."
    )


class Hold(graphene.ObjectType):
    """A decision that nothing of a batch, learner or assessment is deleted by a rule or an erasure."""

    hold_id = graphene.ID(required=True)
    target = graphene.Field(HoldTarget, required=True)
    of = graphene.ID(required=True, description="The id of the batch, learner or assessment.")
    by = graphene.String(required=True, description="Who decided it.")
    reason = graphene.String(required=True)
    at = Moment(required=True, description="When it was entered.")
    until = Moment(description="When it ends by itself. Null: when it is released.")

    @staticmethod
    def resolve_hold_id(hold: HoldInForce, _info: Info) -> str:
        return hold.id


class Erasure(graphene.ObjectType):
    """An order to erase a learner. It names nobody."""

    learner_hash = graphene.ID(required=True, description="The keyed hash of the learner's id.")
    by = graphene.String(required=True, description="Who decided it.")
    reason = graphene.String(required=True)
    at = Moment(required=True, description="When it came into force.")

    @staticmethod
    def resolve_learner_hash(erasure: ErasureOrder, _info: Info) -> str:
        return erasure.learner

    @staticmethod
    def resolve_by(erasure: ErasureOrder, _info: Info) -> str:
        return erasure.order.by

    @staticmethod
    def resolve_reason(erasure: ErasureOrder, _info: Info) -> str:
        return erasure.order.reason

    @staticmethod
    def resolve_at(erasure: ErasureOrder, _info: Info) -> int:
        return erasure.order.at


class OperatorQuery(graphene.ObjectType):
    """For operators and auditors."""

    holds = graphene.List(
        graphene.NonNull(Hold), required=True, description="The holds that are in force, oldest first. For operators."
    )
    erasures = graphene.List(
        graphene.NonNull(Erasure),
        required=True,
        first=graphene.Int(default_value=100, description=f"The newest orders, 1 to {MOST_ENTRIES:,}."),
        description="The orders to erase a learner, oldest first. For operators.",
    )
    failed_events = graphene.List(
        graphene.NonNull(FailedEvent),
        required=True,
        first=graphene.Int(default_value=FIRST, description=f"1 to {MOST_FAILED}."),
        after=graphene.ID(description="The `id` of the last failed event of the previous page."),
        reason=graphene.String(description="Only those of this reason code."),
        description="Failed events that are not resolved, ordered by topic, partition and offset. For operators.",
    )
    manifest = graphene.List(
        graphene.NonNull(ManifestEntry),
        required=True,
        slice_id=graphene.ID(required=True),
        first=graphene.Int(default_value=100, description=f"The newest entries, 1 to {MOST_ENTRIES:,}."),
        description="What was archived, verified and cleared of a slice, oldest first. For auditors.",
    )
    balance = graphene.Field(
        Balance,
        required=True,
        batch_id=graphene.ID(required=True),
        description="The balance of a batch. It scans the maps of all learners, so it has a deadline. For auditors.",
    )

    @staticmethod
    def resolve_holds(_root: None, info: Info) -> list[HoldInForce]:
        return operating_of(info).holds()

    @staticmethod
    def resolve_erasures(_root: None, info: Info, first: int) -> list[ErasureOrder]:
        return operating_of(info).erasures(first)

    @staticmethod
    def resolve_failed_events(
        _root: None, info: Info, first: int, after: str | None = None, reason: str | None = None
    ) -> list[StoredEvent]:
        key, code = read_failed_cursor(after) if after else None, parse_reason(reason) if reason else None
        return operating_of(info).failed_events(first, key, code)

    @staticmethod
    def resolve_manifest(_root: None, info: Info, slice_id: str, first: int) -> list[StoredEntry]:
        return operating_of(info).manifest(ArchiveSlice.parse(slice_id), first)

    @staticmethod
    def resolve_balance(_root: None, info: Info, batch_id: str) -> BalanceOfBatch:
        return operating_of(info).balance(batch_id)


class OperatorMutation(graphene.ObjectType):
    """For operators."""

    replay_failed_events = graphene.Field(
        Replay,
        required=True,
        first=graphene.Int(default_value=100, description=f"The most events, 1 to {MOST_REPLAYED:,}."),
        after=graphene.ID(description="`endCursor` of the previous replay."),
        check_question_count=graphene.Boolean(
            default_value=False, description="Also check the number of questions, as the stream can."
        ),
        description="Fold failed events again, for example after new facts. Events that are stored leave the list.",
    )

    @staticmethod
    def resolve_replay_failed_events(
        _root: None, info: Info, first: int, check_question_count: bool, after: str | None = None
    ) -> Replayed:
        last = read_failed_cursor(after) if after else None
        return operating_of(info).replay(first, last, check_question_count=check_question_count)
