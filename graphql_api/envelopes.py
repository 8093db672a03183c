"""The response envelopes of Sunbird's two services: the learning service and the viewing service."""

import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from assess_core.domain.moments import iso, moment
from assess_core.errors import AssessError
from graphql_api.bodies import to_json

CLIENT_ERROR: Final = "CLIENT_ERROR"
SERVER_ERROR: Final = "SERVER_ERROR"
FORBIDDEN: Final = "FORBIDDEN"
READ_ID: Final = "api.view.assessment.read"
UPDATE_ID: Final = "api.view.assess.update"
_VIEWING_IDS: Final = {"/v2/view/assess/read": READ_ID, "/v2/view/assess/update": UPDATE_ID}
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
        "ts": iso(_now()),
        "params": {
            "resmsgid": str(uuid4()),
            "msgid": message_id or str(uuid4()),
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
    version, *names = path.strip("/").split("/")
    answered = result or {}
    now = _now()
    params: dict[str, Any] = {"resmsgid": None, "msgid": message_id, "err": None, "status": "success", "errmsg": None}
    if error is not None:
        params |= {"err": error[0], "status": error[0], "errmsg": error[1]}
    body = {
        "id": ".".join(("api", *names)),
        "ver": version,
        "ts": f"{moment(now):%Y-%m-%d %H:%M:%S}:{now % 1000:03d}+0000",
        "params": params,
        "responseCode": code_of(status),
        "result": answered,
    }
    length = {"x-response-length": str(len(to_json(answered)))}
    return Response(to_json(body), status, {**length, **(headers or {})}, "application/json")


def refusal(scope: Scope, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal before a path was called, in the envelope of that path."""
    path, sent = scope["path"], Headers(scope=scope)
    if path == "/graphql":
        code = {401: "UNAUTHENTICATED", 421: "BAD_REQUEST"}.get(status, "STORE_UNAVAILABLE")
        body = {"errors": [{"message": message, "extensions": {"code": code}}]}
        return Response(to_json(body), status, headers, "application/json")
    if path in _VIEWING_IDS:
        return viewing(_VIEWING_IDS[path], sent.get("x-msgid"), status, message, headers=headers)
    error = ("UNAUTHORIZED_USER", "You are not authorized.") if status == 401 else (code_of(status), message)
    return learning(path, sent.get("x-msgid") or str(uuid4()), status, error, headers=headers)


def retry_after(error: AssessError) -> Mapping[str, str] | None:
    """The `Retry-After` header, if a retry can help."""
    return RETRY_AFTER if error.retryable else None


def _now() -> int:
    return time.time_ns() // 1_000_000
