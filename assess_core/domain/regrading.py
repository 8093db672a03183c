"""What corrections change for a learner: the scores before and after, and whether the best score crosses a mark."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Correction, corrected, marks_of
from assess_core.domain.scores import Entry, Summary, SummaryKey, summarise

COLUMNS: Final = (
    "user_id",
    "course_id",
    "batch_id",
    "assessment_id",
    "attempts",
    "changed_attempts",
    "best_score",
    "best_max_score",
    "corrected_best_score",
    "corrected_best_max_score",
    "change",
    "last_score",
    "corrected_last_score",
    "pass",
)


class Regrade(NamedTuple):
    """A newest version, as it counts now and as it would count."""

    now: Entry
    corrected: Entry

    @classmethod
    def of(
        cls, row: AttemptVersion, corrections: Sequence[Correction], in_force: Sequence[Correction] = ()
    ) -> "Regrade":
        """`corrections` would apply after those that are in force."""
        entry, marks = Entry.of(row), marks_of(row)
        now, after = (corrected(row, marks, each) for each in (in_force, [*in_force, *corrections]))
        return cls(
            entry._replace(score=now.score, max_score=now.max_score),
            entry._replace(score=after.score, max_score=after.max_score),
        )

    @property
    def is_changed(self) -> bool:
        return self.now != self.corrected


class Regraded(NamedTuple):
    """The scores of a learner at an assessment, as they are now and as they would be."""

    now: Summary
    corrected: Summary
    changed: int
    """The number of attempts with another score or maximum."""

    @classmethod
    def of(cls, key: SummaryKey, attempts: Sequence[Regrade]) -> "Regraded":
        """`attempts`: the newest version of each attempt, ordered by attempt id, at least one."""
        now = summarise(key, [each.now for each in attempts], len(attempts))
        after = summarise(key, [each.corrected for each in attempts], len(attempts))
        return cls(now, after, sum(each.is_changed for each in attempts))

    def crosses(self, percent: float) -> str | None:
        """`gained` or `lost` if the best score crosses a pass mark; None if it does not."""
        before, after = _passes(self.now, percent), _passes(self.corrected, percent)
        if before == after:
            return None
        return "gained" if after else "lost"

    def row(self, pass_mark: float | None) -> dict[str, object]:
        """The values of `COLUMNS`; `pass_mark` in percent."""
        now, after = self.now, self.corrected
        values = (
            now.key.user_id, now.key.course_id, now.key.batch_id, now.key.assessment_id,
            now.attempts_count, self.changed,
            now.best_score, now.total_max_score, after.best_score, after.total_max_score,
            after.best_score - now.best_score,
            now.last_attempted_score, after.last_attempted_score,
            None if pass_mark is None else self.crosses(pass_mark),
        )  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))


def _passes(summary: Summary, percent: float) -> bool:
    """Whether the best score reaches a share of its maximum. Without a maximum nobody passes."""
    return summary.total_max_score > 0 and summary.best_score * 100 >= percent * summary.total_max_score
