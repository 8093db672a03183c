"""The response envelopes of Sunbird's services: learning, viewing (two of its drafts) and analytics."""

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from assess_core.domain.moments import iso, moment
from assess_core.errors import AssessError, Forbidden
from assess_core.wiring.places import clock
from graphql_api.bodies import to_json
from graphql_api.console import pages
from graphql_api.ids import new_id

CLIENT_ERROR: Final = "CLIENT_ERROR"
SERVER_ERROR: Final = "SERVER_ERROR"
FORBIDDEN: Final = "FORBIDDEN"
READ_ID: Final = "api.view.assessment.read"
UPDATE_ID: Final = "api.view.assess.update"
SUBMIT_ID: Final = "api.view.assess"
ATTEMPTS_ID: Final = "api.assessment.read"
_VIEWING_IDS: Final = {"/v2/view/assess/read": READ_ID, "/v2/view/assess/update": UPDATE_ID}
_ASSESSMENT_IDS: Final = {"/v1/assessment/submit": SUBMIT_ID, "/v1/assessment/read": ATTEMPTS_ID}
DATASET_PATH: Final = "/dataset/v1/request"
_DATASET_NAMES: Final = {"read": "info"}
_GATEWAYS: Final = re.compile(r"/(?:private|api/course)(?=/v\d+/)")
"""What Sunbird's gateways put before a path."""
RETRY_AFTER: Final = {"retry-after": "5"}


def code_of(status: int) -> str:
    """`responseCode`."""
    if status < 400:
        return "OK"
    return CLIENT_ERROR if status < 500 else SERVER_ERROR


def viewing(
    id_: str,
    message_id: str | None,
    status: int = 200,
    message: str | None = None,
    result: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response of the viewing service. If the request is refused, `result` has the error of each wrong field."""
    code = code_of(status)
    good = code == "OK"
    body = {
        "id": id_,
        "ver": "1.0",
        "ts": iso(clock()),
        "params": {
            "resmsgid": new_id(),
            "msgid": message_id or new_id(),
            "status": "successful" if good else "failed",
            "err": None if good else code,
            "errmsg": message,
        },
        "responseCode": code,
        "result": result or {},
    }
    return Response(to_json(body), status, headers, "application/json")


def learning(
    path: str,
    message_id: str,
    status: int = 200,
    error: tuple[str, str] | None = None,
    result: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response of the learning service to a path like `/v1/content/state/update`; `error` is a code and a message."""
    version, *names = _GATEWAYS.sub("", path, count=1).strip("/").split("/")
    params: dict[str, Any] = {"resmsgid": None, "msgid": message_id, "err": None, "status": "success", "errmsg": None}
    if error is not None:
        params |= {"err": error[0], "status": error[0], "errmsg": error[1]}
    return _learned(".".join(("api", *names)), version, params, code_of(status), status, result, headers)


def assessing(
    id_: str,
    message_id: str,
    status: int = 200,
    error: tuple[str, str] | None = None,
    result: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response of `/v1/assessment/...`. If the request is refused, `result` has the error of each wrong field."""
    params: dict[str, Any] = {"resmsgid": None, "msgid": message_id, "err": None, "status": "success", "errmsg": None}
    if error is not None:
        params |= {"err": error[0], "status": "failed", "errmsg": error[1]}
    return _learned(id_, "v1", params, "BAD_REQUEST" if status == 400 else code_of(status), status, result, headers)


def analysing(
    name: str,
    status: int = 200,
    message: str | None = None,
    result: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response of the dataset API of the analytics service; `name` is the last part of its `id`."""
    code = FORBIDDEN if status == 403 else code_of(status)
    body = {
        "id": f"ekstep.analytics.dataset.request.{name}",
        "ver": "1.0",
        "ts": moment(clock()).isoformat(timespec="milliseconds"),
        "params": {
            "resmsgid": new_id(),
            "status": "successful" if message is None else "failed",
            "err": None if message is None else CLIENT_ERROR if code == "OK" else code,
            "errmsg": message,
        },
        "responseCode": code,
        "result": result or {},
    }
    return Response(to_json(body), status, headers, "application/json")


def _learned(
    id_: str,
    version: str,
    params: Mapping[str, Any],
    code: str,
    status: int,
    result: Mapping[str, object] | None,
    headers: Mapping[str, str] | None,
) -> Response:
    answered = result or {}
    body = {
        "id": id_,
        "ver": version,
        "ts": zoned(clock()),
        "params": params,
        "responseCode": code,
        "result": answered,
    }
    length = {"x-response-length": str(len(to_json(answered)))}
    return Response(to_json(body), status, {**length, **(headers or {})}, "application/json")


def zoned(at: int) -> str:
    """`2020-11-23 12:58:35:179+0000`: a moment as the learning service writes it."""
    day_and_time = moment(at).isoformat(" ", "milliseconds")  # a quarter of the time of a format with %
    return f"{day_and_time[:19]}:{day_and_time[20:23]}+0000"


def refusal(scope: Scope, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal before a path was called, in the envelope of that path."""
    path, sent = scope["path"], Headers(scope=scope)
    if pages.is_page(path):
        shown = pages.refused(path, status, message)
        shown.headers.update(headers or {})
        return shown
    if path == "/graphql":
        code = {401: "UNAUTHENTICATED", 421: "BAD_REQUEST", 429: "TOO_MANY_REQUESTS"}.get(status, "STORE_UNAVAILABLE")
        body = {"errors": [{"message": message, "extensions": {"code": code}}]}
        return Response(to_json(body), status, headers, "application/json")
    if path in _VIEWING_IDS:
        return viewing(_VIEWING_IDS[path], sent.get("x-msgid"), status, message, headers=headers)
    if path.startswith(f"{DATASET_PATH}/"):
        name = path.removeprefix(f"{DATASET_PATH}/").partition("/")[0]
        return analysing(_DATASET_NAMES.get(name, name[:20]), status, message, headers=headers)
    message_id = sent.get("x-msgid") or new_id()
    error = ("UNAUTHORIZED_USER", "You are not authorized.") if status == 401 else (code_of(status), message)
    if path in _ASSESSMENT_IDS:
        return assessing(_ASSESSMENT_IDS[path], message_id, status, error, headers=headers)
    return learning(path, message_id, status, error, headers=headers)


def error_of(error: AssessError) -> tuple[str, str]:
    """Code and message of an error, for `learning` and `assessing`."""
    return FORBIDDEN if isinstance(error, Forbidden) else code_of(error.status), str(error)


def message_id_of(request: Request) -> str:
    """The client's id of its message; a new one if it sent none."""
    return request.headers.get("x-msgid") or new_id()


def retry_after(error: AssessError) -> Mapping[str, str] | None:
    """The `Retry-After` header, if a retry can help."""
    return RETRY_AFTER if error.retryable else None
