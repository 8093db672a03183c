"""The scores of a learner: computed from the map in the hot store, which archive and clear never change."""

from collections.abc import Collection

from assess_core.domain.scores import Entry, derive, newest_versions
from assess_core.ports.hot_store import HotStore
from assess_core.usecases.ids import optional, required
from assess_core.usecases.views import AttemptScore, Score, Scores


def score(
    hot: HotStore, user_id: str, assessment_id: str, course_id: str | None = None, batch_id: str | None = None
) -> Scores:
    """The scores of a learner at an assessment; of one course or batch, if it is named.

    Raises `BadRequest`, `StoreUnavailable`, `NotOurTable`.
    """
    entries = entries_of(
        hot,
        required("userId", user_id),
        optional("courseId", course_id),
        optional("batchId", batch_id),
        required("assessmentId", assessment_id),
    )
    scores = [Score.of(summary) for summary in derive(entries).summaries.values()]
    return Scores(tuple(sorted(scores, key=lambda one: one.best_first)))


def attempt_scores(
    hot: HotStore, user_id: str, course_id: str, batch_id: str, assessment_ids: Collection[str] = ()
) -> list[AttemptScore]:
    """The score of each attempt of a learner in a batch, ordered by assessment and attempt id; by default of all
    assessments.

    Raises `BadRequest`, `StoreUnavailable`, `NotOurTable`.
    """
    user_id, course_id = required("userId", user_id), required("courseId", course_id)
    entries = entries_of(hot, user_id, course_id, required("batchId", batch_id), None)
    wanted = [entry for entry in entries if not assessment_ids or entry.key.assessment_id in assessment_ids]
    return [
        AttemptScore(
            course_id=entry.key.course_id,
            batch_id=entry.key.batch_id,
            assessment_id=entry.key.assessment_id,
            attempt_id=entry.attempt_id,
            score=entry.score,
            max_score=entry.max_score,
            last_attempted_on=entry.version.last_attempted_on,
        )
        for entry in newest_versions(wanted)
    ]


def entries_of(
    hot: HotStore, user_id: str, course_id: str | None, batch_id: str | None, assessment_id: str | None
) -> list[Entry]:
    """The entries of a learner's map; of one course, batch or assessment, if it is named."""
    learner = hot.learners([user_id]).get(user_id)
    return [
        entry
        for entry in (learner.entries if learner else [])
        if (course_id is None or entry.key.course_id == course_id)
        and (batch_id is None or entry.key.batch_id == batch_id)
        and (assessment_id is None or entry.key.assessment_id == assessment_id)
    ]
