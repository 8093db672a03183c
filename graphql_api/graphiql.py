"""GraphiQL, served from the files in dagster-webserver's package. The page loads nothing from other hosts."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

_FILES: Final = {
    "react.production.min.js": "text/javascript",
    "react-dom.production.min.js": "text/javascript",
    "graphiql.min.js": "text/javascript",
    "graphiql.min.css": "text/css",
}
# unsafe-inline: the editor positions itself with inline styles; data: the style sheet contains its fonts and cursors
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src data:; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CACHE: Final = "public, max-age=3600"
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Assessment lakehouse: GraphiQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/graphiql/graphiql.min.css">
<style>body { margin: 0 } #graphiql { height: 100vh }</style>
</head>
<body>
<div id="graphiql">Loading GraphiQL ...</div>
<script src="/graphiql/react.production.min.js"></script>
<script src="/graphiql/react-dom.production.min.js"></script>
<script src="/graphiql/graphiql.min.js"></script>
<script src="/graphiql/start.js"></script>
</body>
</html>
"""
_START: Final = """const defaultQuery = `# Ctrl-Enter runs this.
# The docs on the left list the fields.
{
  slices(first: 10) {
    id
    status
    hotRows
    lakeRows
  }
}
`;
ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: "/graphql" }),
    defaultQuery,
    defaultEditorToolsVisibility: true,
  }),
);
"""


def routes() -> list[BaseRoute]:
    """The page and its files."""
    return [
        Route("/graphiql", _page),
        Route("/graphiql/start.js", _start),
        Route("/graphiql/{name}", _file),
    ]


def folder() -> Path | None:
    """The folder of dagster-webserver with React and GraphiQL (both MIT). The package is located, not imported."""
    package = find_spec("dagster_webserver")
    found = Path(package.origin).parent / "graphiql" if package and package.origin else None
    return found if found and found.is_dir() else None


async def _page(_request: Request) -> Response:
    return Response(_PAGE, headers={"content-security-policy": _POLICY}, media_type="text/html")


async def _start(_request: Request) -> Response:
    return Response(_START, headers={"cache-control": _CACHE}, media_type="text/javascript")


async def _file(request: Request) -> Response:
    name, files = request.path_params["name"], folder()
    if name not in _FILES:
        return Response("not found\n", 404, media_type="text/plain")
    if files is None or not (files / name).is_file():
        message = "GraphiQL is not installed: dagster-webserver 1.13 has its files; /graphql works without them\n"
        return Response(message, 404, media_type="text/plain")
    return FileResponse(files / name, media_type=_FILES[name], headers={"cache-control": _CACHE})
