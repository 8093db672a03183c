"""`assess explain`: why a score is what it is."""

import click

from assess_cli.learner import learner_option
from assess_cli.output import emit_json
from assess_core.errors import UnknownLearner
from assess_core.messages import printable
from assess_core.settings import Settings
from assess_core.usecases.story import story, value
from assess_core.wiring import open_queries


@click.command()
@learner_option(required=True, help="The learner.")
@click.option("--assessment", required=True)
@click.option("--course", help="Only in this course.")
@click.option("--batch", help="Only in this batch.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each score.")
@click.pass_obj
def explain(
    settings: Settings, learner: str, assessment: str, course: str | None, batch: str | None, as_json: bool
) -> None:
    """Explain a learner's score: every accepted version, which one counts and why, and where each lies.

    For each version: the rule that decides, its receipt, its slice, the file, row group and row that hold it, the
    manifest entry and the hash that vouch for it, and its event in the log, if that is found in 64 MiB of the log. With
    --json, a program can recompute the score from the named files. If nothing matches, the exit code is 3.

    \b
    Examples:
      assess explain --learner U --assessment A
      assess explain --learner U --assessment A --batch BATCH --json > explained.json
    """
    found = open_queries(settings, only_reads=True).explain(learner, assessment, course, batch)
    if not found:
        raise UnknownLearner(
            f"learner {learner!r} has no attempt at assessment {assessment!r} there; check the ids: "
            "`assess table summaries` lists them"
        )
    if as_json:
        emit_json(list(map(value, found)))
        return
    for number, each in enumerate(found):
        click.echo("\n".join([*([""] if number else []), *map(printable, story(each))]))
