"""`python -m benchmarks.bare_server PATH=BYTES ...`: the least that Starlette can do, as a limit for our API.

It reads the body of each request and answers with so many bytes from memory. It imports nothing else, so that its start
is cheap.
"""

import socket
import sys
from collections.abc import Mapping, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def create_bare(lengths: Mapping[str, int]) -> Starlette:
    """The app, with the length of the answer of each path."""
    bodies = {path: b"x" * length for path, length in lengths.items()}

    async def handle(request: Request) -> Response:
        await request.body()
        return Response(bodies[request.scope["path"]], media_type="application/json")

    return Starlette(routes=[Route(path, handle, methods=["POST", "PATCH"]) for path in bodies])


def main(words: Sequence[str]) -> None:
    """Serve until the process is killed."""
    lengths = {path: int(length) for path, length in (word.split("=") for word in words)}
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        print(f"bare on http://127.0.0.1:{listening.getsockname()[1]}/", file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(create_bare(lengths), log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
