"""Which corrections are in force, as the register of the hot store says."""

from collections.abc import Collection
from typing import NamedTuple

from assess_core.domain.correction_records import Corrections, Decided, Entered, entered
from assess_core.domain.register import Kind, Record
from assess_core.ports.register import Register


def corrections_in_force(register: Register, assessments: Collection[str] | None = None) -> tuple[Decided, ...]:
    """The corrections in force of these assessments (None: of all), in the order in which they apply.

    Raises `StoreUnavailable`, `NotOurTable`.
    """
    found = read_corrections(register, assessments).in_force
    return tuple(sorted(found, key=lambda one: (one.decision.at, one.id, one.correction.assessment)))


def read_corrections(register: Register, assessments: Collection[str] | None = None) -> Corrections:
    """All corrections of these assessments (None: of all assessments), with their reverts.

    The result is what was stored at one moment, for all of these assessments together. Without a correction it costs
    one lookup. Raises `StoreUnavailable`, `NotOurTable`.
    """
    found = _read(register, assessments)
    # records are only added: what two reads in a row found was stored between them
    while found.corrections and (again := _read(register, assessments)) != found:
        found = again
    return Corrections.of(*found)


def corrections_of(
    register: Register, batches: Collection[str], course: str | None = None, assessments: Collection[str] | None = None
) -> tuple[Decided, ...]:
    """The corrections in force that can concern attempts in these batches, in the order in which they apply.

    Raises `StoreUnavailable`, `NotOurTable`.
    """
    found = corrections_in_force(register, assessments)
    return tuple(decided for decided in found if decided.correction.concerns(batches, course))


def all_entered(register: Register) -> list[Entered]:
    """All corrections that were ever entered, with their reverts. Raises `StoreUnavailable`, `NotOurTable`."""
    return entered(register.all(Kind.CORRECTION), register.all(Kind.REVERT))


class SharedCorrections:
    """The corrections of one request: each assessment is looked up once."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._read: dict[str, Corrections] = {}

    def of(self, assessments: Collection[str]) -> Corrections:
        """The corrections of these assessments. Raises as `read_corrections`."""
        for assessment in assessments:
            if assessment not in self._read:
                self._read[assessment] = read_corrections(self._register, [assessment])
        return Corrections({id_: of for one in assessments for id_, of in self._read[one].entered.items()})


class _Records(NamedTuple):
    corrections: list[Record]
    reverts: list[Record]


def _read(register: Register, assessments: Collection[str] | None) -> _Records:
    if assessments is None:
        return _Records(register.all(Kind.CORRECTION), register.all(Kind.REVERT))
    corrections = register.of(Kind.CORRECTION, assessments)
    return _Records(corrections, register.of(Kind.REVERT, assessments) if corrections else [])
