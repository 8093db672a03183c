"""A learner's attempts and scores, and the explanation of a score as a story."""

from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Action, Resource, may_ever
from assess_core.usecases.paging import FIRST, cursor
from assess_core.usecases.queries import Queries
from assess_core.usecases.story import story
from assess_core.usecases.views import Attempt, Page, Score
from graphql_api.console import pages
from graphql_api.gate import caller_of, require_allowed, require_ever_allowed
from graphql_api.permissions import require
from graphql_api.workers import ask_long, ask_quick

PATH: Final = "/console/learners"
EXPLAIN: Final = "/console/explain"


class _Asked(NamedTuple):
    learner: str
    assessment: str
    course: str
    batch: str

    @classmethod
    def of(cls, request: Request) -> "_Asked":
        """The fields of the form, without spaces around them."""
        return cls(*(request.query_params.get(name, "").strip() for name in cls._fields))

    @property
    def resource(self) -> Resource:
        return Resource(self.learner, self.batch, self.course)


class _Found(NamedTuple):
    attempts: Page
    scores: list[Score]
    """The scores of the assessments on this page."""


async def page(request: Request) -> Response:
    """The form, and the attempts and scores of the learner that it names."""
    require_ever_allowed(request)
    asked, caller = _Asked.of(request), caller_of(request)
    found: _Found | None = None
    next_page = ""
    if asked.learner:
        require_allowed(request, asked.resource)
        require(caller, Action.READ_ATTEMPTS, asked.resource, PATH)
        after = request.query_params.get("after") or None
        found = await ask_quick(request, lambda queries: _read(queries.sharing([asked.learner]), asked, after))
        if found.attempts.has_next:
            end = cursor(found.attempts.attempts[-1].key)
            next_page = f"{PATH}?{urlencode({**asked._asdict(), 'after': end})}"
    return pages.page(
        "learners.html",
        caller,
        PATH,
        asked=asked,
        own=caller.learner if caller else "",
        found=found,
        next_page=next_page,
        corrected={attempt.key for attempt in found.attempts.attempts if _is_corrected(attempt)} if found else set(),
        may_explain=caller is not None and may_ever(caller, Action.EXPLAIN),
    )


async def explain(request: Request) -> Response:
    """Why the scores of a learner at an assessment are what they are."""
    asked = _Asked.of(request)
    require_allowed(request, asked.resource)
    learner, assessment, course, batch = asked
    found = await ask_long(request, lambda queries: queries.explain(learner, assessment, course or None, batch or None))
    return pages.page("explain.html", caller_of(request), PATH, asked=asked, stories=[story(one) for one in found])


def _is_corrected(attempt: Attempt) -> bool:
    original = attempt.original_score, attempt.original_max_score
    return (attempt.total_score, attempt.total_max_score) != original


def _read(queries: Queries, asked: _Asked, after: str | None) -> _Found:
    learner, assessment, course, batch = asked
    attempts = queries.attempts(
        user_id=learner, assessment_id=assessment, course_id=course, batch_id=batch, first=FIRST, after=after
    )
    keys = sorted({(one.key.content_id, one.key.course_id, one.key.batch_id) for one in attempts.attempts})
    return _Found(attempts, [score for key in keys for score in queries.score(learner, *key).found])
