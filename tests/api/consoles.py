"""Pages of the console as tests read them: their text without tags, and the headers that a browser sends."""

import html
import re
from pathlib import Path
from typing import Any, Final

import httpx

from assess_core.adapters.files.links import SignedLinks
from assess_core.domain.report_jobs import Rules
from assess_core.ports.requests import Requests
from assess_core.ports.stores import Stores
from assess_core.usecases.requesting import Requesting
from graphql_api.dataset import ReportRequests
from tests.api.client import Http
from tests.api.issuer import token
from tests.factories import MONDAY

OWN: Final = {"sec-fetch-site": "same-origin"}
"""What a browser sends with a form of the console."""


def signed_in(learner: str, **claims: Any) -> dict[str, str]:
    """The header of a browser that signed in with a token."""
    return {"cookie": f"other=1; assess_console={token(learner, **claims)}"}


def requests_in(stores: Stores, folder: Path, jobs: Requests) -> ReportRequests:
    """Requests for reports whose links are signed with a key in this folder."""
    return ReportRequests.of(Requesting(jobs, SignedLinks(folder), Rules(), lambda: MONDAY), stores.exhausts, "")


def text_of(answer: httpx.Response) -> str:
    """The visible text of a page, with single spaces."""
    assert answer.headers["content-type"].startswith("text/html"), answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def read(http: Http, path: str, **sent: Any) -> str:
    """The visible text of a page that is there."""
    answer = http.get(path, **sent)
    assert answer.status_code == 200, answer.text
    return text_of(answer)
