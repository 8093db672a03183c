"""The REST paths as values: what each takes and answers. `/openapi.json` is generated from this table.

Tests compare it with the routes of the app, with the members that the code reads, and with live answers.
"""

from typing import Final, NamedTuple

from assess_core.domain.signed_links import LINK_PATH
from graphql_api import wire
from graphql_api.wire import Face


class Query(NamedTuple):
    """A parameter in the URL after `?`."""

    name: str
    description: str
    is_required: bool = False


class Operation(NamedTuple):
    """A method of a path."""

    method: str
    summary: str
    face: Face
    request: type | None = None
    """The members of `request` in the body; None: the method has no body."""
    results: tuple[type, ...] = ()
    """The types that `result` of the answer can have; of a plain face, the types of the answer."""
    queries: tuple[Query, ...] = ()
    errors: tuple[int, ...] = ()
    """The statuses that this path has besides those of its face."""
    writes: bool = False
    """Whether the body must be sent as `application/json`: a page of another site cannot send that."""


_UPDATE: Final = Operation(
    "patch",
    "Submit attempts and the progress of contents",
    Face.LEARNING,
    wire.StateUpdate,
    (wire.Stored,),
    writes=True,
)
_STATES: Final = Operation(
    "post", "The scores of a learner's attempts in a batch", Face.LEARNING, wire.StateRead, (wire.States,)
)
_LIVE: Final = Operation("get", "Whether the process lives", Face.PLAIN, results=(wire.Health,))
_ID: Final = Query("requestId", "The id of the request.", is_required=True)

OPERATIONS: Final[dict[str, Operation]] = {
    "/v2/view/assess/read": Operation(
        "post", "The scores of a learner at an assessment", Face.VIEWING, wire.ScoreRead, (wire.BestScore, wire.Nothing)
    ),
    "/v2/view/assess/update": Operation(
        "post", "Submit attempts", Face.VIEWING, wire.Update, (wire.Stored,), writes=True
    ),
    "/v1/content/state/update": _UPDATE,
    "/v1/user/content/state": _UPDATE,
    "/api/course/v1/content/state/update": _UPDATE,
    "/v1/content/state/read": _STATES,
    "/private/v1/content/state/read": _STATES,
    "/api/course/v1/content/state/read": _STATES,
    "/v1/assessment/submit": Operation(
        "post",
        "Submit attempts (draft of the viewing service)",
        Face.ASSESSMENT,
        wire.Update,
        (wire.Stored,),
        writes=True,
    ),
    "/v1/assessment/read": Operation(
        "post", "All attempts of a learner at an assessment", Face.ASSESSMENT, wire.AttemptRead, (wire.Attempts,)
    ),
    "/dataset/v1/request/submit": Operation(
        "post", "Request a report", Face.DATASET, wire.ReportSubmit, (wire.Job,), writes=True
    ),
    "/dataset/v1/request/read/{tag:any}": Operation(
        "get", "A request for a report", Face.DATASET, results=(wire.Job, wire.Nothing), queries=(_ID,)
    ),
    "/dataset/v1/request/list/{tag:any}": Operation(
        "get",
        "The newest requests of a tag",
        Face.DATASET,
        results=(wire.Jobs,),
        queries=(Query("limit", "1 to 100; 100 by default."),),
    ),
    "/dataset/v1/request/search": Operation(
        "post", "The newest requests of the channel", Face.DATASET, wire.ReportSearch, (wire.Jobs,), writes=True
    ),
    "/dataset/v1/request/cancel/{tag:any}": Operation(
        "post", "Cancel a request", Face.DATASET, results=(wire.Job, wire.Nothing), queries=(_ID,), errors=(409,)
    ),
    f"{LINK_PATH}{{name:any}}": Operation(
        "get",
        "Download a report by a signed link",
        Face.FILE,
        queries=(
            Query("expires", "The end of the link, epoch ms.", is_required=True),
            Query("signature", "The signature of the link.", is_required=True),
        ),
        errors=(403, 404, 410),
    ),
    "/health": _LIVE,
    "/health/live": _LIVE,
    "/health/ready": Operation(
        "get", "Whether each dependency answers", Face.PLAIN, results=(wire.Dependencies,), errors=(503,)
    ),
    "/ready": Operation("get", "Whether the hot store answers", Face.PLAIN, results=(wire.Health,), errors=(503,)),
}
"""Path -> its operation. Paths as in `permissions.ROUTES`."""
