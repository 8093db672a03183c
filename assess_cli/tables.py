"""`assess table` and `assess score`: the rows of the stores, and the score of a learner."""

from collections.abc import Sequence
from functools import partial

import click

from assess_cli.learner import learner_option
from assess_cli.output import Format, emit_json, emit_rows, format_options, notify
from assess_core.domain.moments import iso_or_empty
from assess_core.domain.scores import Entry
from assess_core.errors import UnknownLearner
from assess_core.settings import Settings
from assess_core.usecases import learner_scores, tables
from assess_core.usecases.corrected_entries import corrected_entries
from assess_core.usecases.corrections_in_force import read_corrections
from assess_core.usecases.ids import optional, required
from assess_core.usecases.learner_scores import entries_of
from assess_core.usecases.stored_versions import StoredVersions, stored_versions
from assess_core.usecases.views import Scores
from assess_core.wiring import open_hot, open_queries, open_stores


@click.command()
@click.argument("name", metavar="TABLE", type=click.Choice([name.value for name in tables.Name]))
@click.option("--batch", help="Only rows of this batch.")
@click.option(
    "--tier",
    type=click.Choice([tier.value for tier in tables.Tier]),
    default=tables.Tier.ALL.value,
    show_default=True,
    help="For attempts: the rows of one tier, or the newest version of each attempt over both.",
)
@format_options()
@click.pass_obj
def table(settings: Settings, name: str, batch: str | None, tier: str, format_: Format) -> None:
    """Print a table: attempts, summaries, activity, failed or slices.

    Columns have the names of the stores; times are ISO 8601 in UTC. Rows are sorted and are printed while they are
    read. An unknown batch gives exit code 3. --format table rounds numbers; csv and jsonl are exact.

    \b
    Examples:
      assess table attempts --batch BATCH --format csv > attempts.csv
      assess table attempts --tier lake --format jsonl | head
      assess table summaries --format jsonl
    """
    chosen = tables.Name(name)
    if chosen in tables.HOT_ONLY:
        # only this store, because the drivers of the lake take 0.3 s to import
        hot, _ = open_hot(settings, only_reads=True)
        rows = tables.hot_rows(hot, chosen, batch, tables.Tier(tier))
    else:
        rows = open_queries(settings, only_reads=True).table(chosen, batch, tables.Tier(tier))
    printed = emit_rows(tables.COLUMNS[chosen], rows, format_)
    if batch and not printed:
        open_queries(settings, only_reads=True).require_known(batch)
        notify(f"batch {batch!r} has no rows in this table")


@click.command()
@learner_option(required=True, help="The learner.")
@click.option("--assessment", required=True)
@click.option("--course", help="Only in this course.")
@click.option("--batch", help="Only in this batch.")
@click.option("--json", "as_json", is_flag=True, help="The result of the read API, on one line.")
@click.pass_obj
def score(
    settings: Settings, learner: str, assessment: str, course: str | None, batch: str | None, as_json: bool
) -> None:
    """Print the score of a learner at an assessment: the best, last, lowest and average of all attempts.

    If several courses or batches match, the best score is first. If none matches, the exit code is 3.

    \b
    Examples:
      assess score --learner U --assessment A
      assess score --learner U --assessment A --batch BATCH --json
    """
    scores = _scores(settings, learner, assessment, course, batch)
    if as_json:
        emit_json(scores.result)
    if not scores.found:
        where = "".join(f" in {name} {id_!r}" for name, id_ in (("course", course), ("batch", batch)) if id_)
        raise UnknownLearner(
            f"learner {learner!r} has no attempt at assessment {assessment!r}{where}; check the ids: "
            "`assess table summaries` lists them"
        )
    if not as_json:
        rows = [{**found.result, "updated_on": iso_or_empty(found.updated_on)} for found in scores.found]
        emit_rows(list(rows[0]), rows, "table")


def _scores(settings: Settings, learner: str, assessment: str, course: str | None, batch: str | None) -> Scores:
    # the map in the hot store has all scores, also those of cleared attempts
    hot, _ = open_hot(settings, only_reads=True)
    learner, assessment = required("userId", learner), required("assessmentId", assessment)
    entries = entries_of(hot, learner, optional("courseId", course), optional("batchId", batch), assessment)
    corrections = read_corrections(hot.register, [assessment])
    find = partial(_find, settings)  # a corrected score that is not stored yet needs answers, also archived ones
    return learner_scores.score(corrected_entries(hot, entries, corrections, find))


def _find(settings: Settings, entries: Sequence[Entry]) -> StoredVersions:
    return stored_versions(open_stores(settings, only_reads=True), entries)
