"""The scores of a learner: computed from the map in the hot store, which archive and clear never change."""

from assess_core.domain.scores import Entry, derive
from assess_core.ports.hot_store import HotStore
from assess_core.usecases.ids import optional, required
from assess_core.usecases.views import Score, Scores


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
