"""`python -m deploy.spark`: set Spark up, or run the response report on this machine.

python -m deploy.spark
python -m deploy.spark ATTEMPTS BATCH TARGET
"""

import sys

from deploy.local.errors import CannotServe
from deploy.spark.packages import session, set_up
from deploy.spark.response_report import write_report

_USAGE = "usage: python -m deploy.spark [ATTEMPTS BATCH TARGET]"


def main(arguments: list[str]) -> None:
    """Set up, then run the job if its arguments are given."""
    if len(arguments) not in (0, 3):
        raise SystemExit(_USAGE)
    try:
        set_up(lambda text: print(text, file=sys.stderr))
    except CannotServe as error:
        raise SystemExit(f"spark: {error}") from None
    if arguments:
        with session() as spark:
            write_report(spark, *arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
