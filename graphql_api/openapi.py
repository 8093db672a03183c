"""The OpenAPI 3.1 document of the REST paths, generated from `contract.py`, and a page that shows it.

The page is in the folder `viewer` and loads nothing from other hosts.
"""

from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from assess_core.domain.access import NEEDS_NO_TOKEN, RIGHTS
from graphql_api.bodies import to_json
from graphql_api.caching import conditional
from graphql_api.contract import OPERATIONS, Operation
from graphql_api.permissions import ROUTES
from graphql_api.wire import PARAMS, Face

_REF: Final = "#/components/schemas/{name}"
_OF_A_BODY: Final = (400, 408, 413)
_OF_A_WRITE: Final = (415,)
_OF_ALL: Final = (401, 403, 421, 429, 503)
_OF_FILES: Final = (421, 429, 503)
_WITH_RETRY: Final = (429, 503)
_MESSAGE_ID: Final = {
    "name": "X-msgid", "in": "header", "schema": {"type": "string"}, "description": "Returned as `params.msgid`.",
}  # fmt: skip
_CHANNEL: Final = {
    "name": "X-Channel-ID", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "The channel (tenant) in whose name a gateway asks; needed from operators, not read from mentors.",
}  # fmt: skip
_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "userToken": {"type": "apiKey", "in": "header", "name": "X-Authenticated-User-Token"},
}

_VIEWER: Final = Path(__file__).parent / "viewer"
_FILES: Final = {"view.js": "text/javascript", "view.css": "text/css"}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def routes() -> list[BaseRoute]:
    """The document, the page and its files."""
    return [
        Route("/openapi.json", _document),
        Route("/openapi", _page),
        Route("/openapi/{name}", _file),
    ]


async def _document(request: Request) -> Response:
    return conditional(request, Response(to_json(document()), media_type="application/json"))


async def _page(_request: Request) -> Response:
    return FileResponse(_VIEWER / "index.html", headers={"content-security-policy": _POLICY})


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _FILES:
        return Response("not found\n", 404, media_type="text/plain")
    return FileResponse(_VIEWER / name, media_type=_FILES[name], headers={"cache-control": "public, max-age=3600"})


@cache
def document() -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for path, operation in OPERATIONS.items():
        paths[_shown(path)] = {operation.method: _operation(path, operation)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Assessment lakehouse",
            "version": version("assessment-lakehouse"),
            "summary": "Attempts of learners at assessments, and their scores.",
            "description": "The REST paths. GraphQL at /graphql describes itself. An API without keys needs no token.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _SECURITY},
        "tags": [{"name": face.value} for face in Face],
    }


def _shown(path: str) -> str:
    """`/list/{tag:any}` -> `/list/{tag}`."""
    return path.replace(":any}", "}")


def _operation(path: str, operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{operation.method}{_shown(path)}".translate(str.maketrans("/{}", "__ ")).replace(" ", ""),
        "summary": operation.summary,
        "description": _rights(path),
        "tags": [operation.face.value],
        "parameters": _parameters(path, operation),
        "responses": {str(status): _response(operation, status) for status in (200, *_errors(operation))},
        "security": [] if ROUTES[path] in NEEDS_NO_TOKEN else [{name: []} for name in _SECURITY],
    }
    if operation.request is not None:
        body = {
            "type": "object",
            "required": ["request"],
            "properties": {
                "request": _ref(operation.request.__name__),
                "params": {"type": "object", "properties": {"msgid": {"type": "string"}}},
            },
        }
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def _rights(path: str) -> str:
    action = ROUTES[path]
    if action in NEEDS_NO_TOKEN:
        return "Needs no token."
    rights = (
        f"{role} ({', '.join(sorted(scope.value for scope in scopes))})" for role, scopes in RIGHTS[action].items()
    )
    return f"Allowed for {', '.join(rights)}."


def _parameters(path: str, operation: Operation) -> list[dict[str, Any]]:
    named = [part.strip("{}") for part in _shown(path).split("/") if part.startswith("{")]
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named
    ]
    found += [
        {"name": one.name, "in": "query", "required": one.is_required, "description": one.description,
         "schema": {"type": "string"}}
        for one in operation.queries
    ]  # fmt: skip
    if operation.face is Face.DATASET:
        found.append(_CHANNEL)
    elif operation.face in PARAMS:
        found.append(_MESSAGE_ID)
    return found


def _errors(operation: Operation) -> list[int]:
    if operation.face is Face.PLAIN:
        return list(operation.errors)
    found = {*operation.errors, *(_OF_FILES if operation.face is Face.FILE else _OF_ALL)}
    if operation.face is Face.DATASET:
        found.add(400)
    if operation.request is not None:
        found.update(_OF_A_BODY)
    if operation.writes:
        found.update(_OF_A_WRITE)
    return sorted(found)


def _response(operation: Operation, status: int) -> dict[str, Any]:
    found: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    face = Face.DATASET if operation.face is Face.FILE and status != 200 else operation.face
    if face is Face.FILE:
        return found | {"content": {"application/octet-stream": {}}}
    results = [_ref(one.__name__) for one in operation.results]
    if face is Face.PLAIN:
        [schema] = results
    else:
        schema = _ref(_envelope(face))
        if status == 200:
            schema = {"allOf": [schema, {"properties": {"result": {"anyOf": results} if results[1:] else results[0]}}]}
    if status in _WITH_RETRY:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return found | {"content": {"application/json": {"schema": schema}}}


def _schemas() -> dict[str, Any]:
    types = {one for operation in OPERATIONS.values() for one in (operation.request, *operation.results) if one}
    types |= set(PARAMS.values())
    _, schemas = msgspec.json.schema_components(sorted(types, key=lambda one: one.__name__), ref_template=_REF)
    return schemas | {_envelope(face): _envelope_schema(face) for face in PARAMS}


def _envelope_schema(face: Face) -> dict[str, Any]:
    text = {"type": "string"}
    members = {"id": text, "ver": text, "ts": text, "params": _ref(PARAMS[face].__name__), "responseCode": text}
    return {
        "type": "object",
        "description": f"The envelope of the {face}. If a request is refused, `result` is empty or names wrong fields.",
        "properties": members | {"result": {"type": "object"}},
        "required": [*members, "result"],
        "additionalProperties": False,
    }


def _envelope(face: Face) -> str:
    return f"{face.name.capitalize()}Envelope"


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _REF.format(name=name)}
