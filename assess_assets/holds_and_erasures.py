"""Holds and orders to erase learners. Dagster shows them; people decide them with `assess hold` and `assess erase`."""

from typing import Final

import dagster as dg

from assess_assets.metadata import Row, table
from assess_assets.resources import RETRY, Lakehouse
from assess_core.domain.holds import Hold, Target
from assess_core.domain.moments import iso
from assess_core.usecases.erased import Erasure, read_erasures
from assess_core.usecases.holds import read_holds

SHOWN: Final = 100
"""Rows of each table; `assess hold list` and the console list more."""


@dg.asset(group_name="attempts", owners=["team:assessment"], kinds={"json"}, retry_policy=RETRY)
def holds_and_erasures(lakehouse: Lakehouse) -> dg.MaterializeResult[None]:
    """Which holds stop deletions, and which orders to erase learners are in force (docs/retention.md, docs/erase.md).

    A run only reads: it shows both as they are now. No id of a learner is shown, because Dagster would store it.
    """
    with lakehouse.open("holds_and_erasures") as opened:
        hot = opened.stores.hot
        holds, erasures = read_holds(hot, opened.now), read_erasures(hot)
        return dg.MaterializeResult(
            metadata={
                "holds in force": dg.MetadataValue.int(len(holds)),
                "erased learners": dg.MetadataValue.int(len(erasures)),
                "holds": table([_hold(each) for each in holds[-SHOWN:]]),
                "erasures": table([_erasure(each) for each in erasures[-SHOWN:]]),
                "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
            }
        )


def _hold(hold: Hold) -> Row:
    return {
        "id": hold.id,
        "protects": "a learner" if hold.target is Target.LEARNER else f"{hold.target} {hold.of}",
        "by": hold.by,
        "reason": hold.reason,
        "at": iso(hold.at),
        "until": "its release" if hold.until is None else iso(hold.until),
    }


def _erasure(erasure: Erasure) -> Row:
    order = erasure.order
    return {"learner (keyed hash)": erasure.learner, "by": order.by, "reason": order.reason, "at": iso(order.at)}
