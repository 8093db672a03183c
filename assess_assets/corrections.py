"""The corrections of wrong questions. Dagster shows them; people decide them with `assess correct`."""

import dagster as dg

from assess_assets.metadata import Row, table
from assess_assets.resources import RETRY, Lakehouse
from assess_core.domain.correction_records import Entered
from assess_core.domain.corrections import rule_text
from assess_core.domain.moments import iso
from assess_core.usecases.applying import unfinished
from assess_core.usecases.corrections_in_force import all_entered

SHOWN = 100
"""Corrections in the table; `assess correct list` lists all."""


@dg.asset(group_name="attempts", owners=["team:assessment"], kinds={"json"}, retry_policy=RETRY)
def corrections(lakehouse: Lakehouse) -> dg.MaterializeResult[None]:
    """Which corrections of wrong questions are in force, and who decided them (docs/corrections.md).

    A run only reads: it shows the corrections as they are now. Scores and reports follow them without a run.
    """
    with lakehouse.open("corrections") as opened:
        hot = opened.stores.hot
        found = all_entered(hot.register)
        in_force = [one for one in found if one.reverted is None]
        waiting = [one.decided.id for one in unfinished(hot)]
        return dg.MaterializeResult(
            metadata={
                "in force": dg.MetadataValue.int(len(in_force)),
                "reverted": dg.MetadataValue.int(len(found) - len(in_force)),
                "scores not written yet": dg.MetadataValue.text(", ".join(waiting) or "none"),
                "corrections": table([_row(one) for one in in_force[-SHOWN:]]),
                "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
            }
        )


def _row(one: Entered) -> Row:
    id_, correction, decision = one.decided
    return {
        "id": id_,
        "assessment": correction.assessment,
        "question": correction.question,
        "rule": rule_text(correction.rule),
        "course": correction.course or "all",
        "batches": ", ".join(correction.batches) or "all",
        "by": decision.by,
        "reason": decision.reason,
        "at": iso(decision.at),
    }
