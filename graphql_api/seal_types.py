"""The GraphQL types and fields of seals, for operators and auditors."""

from typing import Any

import graphene

from assess_core.domain.seals import Seal as SealOfLake
from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.operating import MOST_SEALS
from graphql_api.reading import Info, operating_of
from graphql_api.types import Moment


class Seal(graphene.ObjectType):
    """One line that commits to all entries of the manifest."""

    line = graphene.String(required=True, description="The line to publish.")
    entries = graphene.Int(required=True, description="How many entries it contains.")
    at = Moment(required=True)
    root = graphene.String(required=True, description="The root of the Merkle tree (RFC 6962).")

    @staticmethod
    def resolve_line(seal: SealOfLake, _info: Info) -> str:
        return str(seal)

    @staticmethod
    def resolve_entries(seal: SealOfLake, _info: Info) -> int:
        return seal.size


class SealProof(graphene.ObjectType):
    """The proof that a seal contains a slice. docs/seal.md has a script that checks it."""

    proof = graphene.String(required=True, description="`inclusion`.")
    seal = graphene.String(required=True)
    slice = graphene.ID(required=True)
    entry = graphene.String(required=True, description="The text whose SHA-256 is the data of the leaf.")
    position = graphene.Int(required=True, description="The number of the leaf, from 0.")
    path = graphene.List(graphene.NonNull(graphene.String), required=True)


class SealConsistency(graphene.ObjectType):
    """The proof that a newer seal only added entries to an older one. docs/seal.md has a script that checks it."""

    proof = graphene.String(required=True, description="`consistency`.")
    old = graphene.String(required=True)
    new = graphene.String(required=True)
    path = graphene.List(graphene.NonNull(graphene.String), required=True)


_AT: Any = graphene.String(description="The line of the seal of the proof; the newest seal if it is left out.")


class SealQuery(graphene.ObjectType):
    """For operators and auditors."""

    seals = graphene.List(
        graphene.NonNull(Seal),
        required=True,
        first=graphene.Int(default_value=20, description=f"The newest seals, 1 to {MOST_SEALS}."),
        description="The seals, oldest first. For auditors.",
    )
    seal_proof = graphene.Field(
        SealProof,
        required=True,
        slice_id=graphene.ID(required=True),
        at=_AT,
        description="The proof that a seal contains the newest entry of a slice. It reads all leaves. For auditors.",
    )
    seal_consistency = graphene.Field(
        SealConsistency,
        required=True,
        since=graphene.String(required=True, description="The line of the older seal."),
        at=_AT,
        description="The proof that entries were only added since a seal. It reads all leaves. For auditors.",
    )

    @staticmethod
    def resolve_seals(_root: None, info: Info, first: int) -> list[SealOfLake]:
        return operating_of(info).newest_seals(first)

    @staticmethod
    def resolve_seal_proof(_root: None, info: Info, slice_id: str, at: str | None = None) -> dict[str, object]:
        return operating_of(info).seal_proof(ArchiveSlice.parse(slice_id), at).as_json()

    @staticmethod
    def resolve_seal_consistency(_root: None, info: Info, since: str, at: str | None = None) -> dict[str, object]:
        return operating_of(info).seal_consistency(since, at).as_json()
