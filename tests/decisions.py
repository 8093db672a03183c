"""Enter decisions about corrections into a register, without the checks of the command line."""

from assess_core.domain.correction_records import correction_record, decision, revert_record
from assess_core.domain.corrections import Correction
from assess_core.ports.register import Register
from assess_core.usecases.corrections_in_force import all_entered
from tests.factories import RECEIVED


def decide(register: Register, *corrections: Correction) -> list[str]:
    """Put corrections in force, one after the other; returns their ids."""
    ids = []
    for number, correction in enumerate(corrections):
        made = decision("Examiner", "a wrong key", RECEIVED + number)
        record = correction_record(correction, made, all_entered(register))
        register.add([record])
        ids.append(record.id)
    return ids


def revert_all(register: Register) -> None:
    """Take back every correction in force."""
    for one in all_entered(register):
        if one.reverted is None:
            register.add([revert_record(one.decided, decision("Examiner", "a right key", RECEIVED))])
