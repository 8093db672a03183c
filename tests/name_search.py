"""A server that answers searches for names like Sunbird's services, over rows that a test gives."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from assess_core.domain.names import NameKind

Row = tuple[str, str, str, str]
"""kind, id, name, organisation"""
KINDS: Final = {
    "/api/composite/v1/search": (NameKind.COURSE, NameKind.ASSESSMENT),
    "/api/course/v1/batch/list": (NameKind.BATCH,),
    "/api/user/v1/search": (NameKind.LEARNER,),
}


class Searches:
    """What the server has, and what it was asked."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """Path and request of each search."""
        self.tokens: list[str | None] = []
        self.page = 100
        """The most entries of an answer."""
        self.status = 200
        self.raw: bytes | None = None
        """Answer with these bytes."""
        self.url = ""

    def answer(self, path: str, asked: dict[str, Any]) -> bytes:
        """The answer to a search."""
        self.asked.append((path, asked))
        if self.raw is not None:
            return self.raw
        filters = asked["filters"]
        wanted = filters.get("identifier") or filters.get("batchId") or filters.get("userId")
        entries = [entry(row) for row in self.rows if row[0] in KINDS[path] and row[1] in wanted]
        page = entries[asked["offset"] :][: min(self.page, asked["limit"])]
        if path.startswith("/api/composite"):
            # different types of content are in different lists
            result = {"count": len(entries), "content": page[::2], "QuestionSet": page[1::2]}
            return json.dumps({"responseCode": "OK", "result": result}).encode()
        return json.dumps(
            {"responseCode": "OK", "result": {"response": {"count": len(entries), "content": page}}}
        ).encode()


def entry(row: Row) -> dict[str, Any]:
    """A row as the services have it."""
    kind, id_, name, organisation = row
    if kind == NameKind.LEARNER:
        first, _, last = name.partition(" ")
        return {"identifier": id_, "firstName": first, "lastName": last or None, "rootOrgName": organisation}
    return {"identifier": id_, "name": name, "objectType": "Content"}


@contextmanager
def searching(rows: Sequence[Row]) -> Iterator[Searches]:
    """A server on this machine."""
    searches = Searches(rows)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            searches.tokens.append(self.headers["authorization"])
            answer = searches.answer(self.path, json.loads(body)["request"])
            self.send_response(searches.status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    searches.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield searches
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
