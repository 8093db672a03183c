"""`python -m tests.fuzz_contract --cases 10000 --seed 1` sends requests that Schemathesis makes from `/openapi.json`.

Half of them fit the document, the others violate it in one place. The rules are those of `tests.fuzz_api`: no 5xx, only
statuses that the document names, and answers of the documented shape. The run stops at the first broken rule, makes the
request as small as possible, and prints it.
"""

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from graphql_api.openapi import document
from tests.api.client import Http
from tests.fuzz_api import check_rest, fuzz

_MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
_BASE: Final = "http://localhost"


def run(http: Http, cases: int, seed: int) -> "Counter[str]":
    """Send cases, as many for each operation, and count the statuses. Raises `BrokenRule`."""
    statuses = Counter[str]()
    contract = document()
    found: Any = schemathesis.openapi.from_dict(contract)
    operations = [operation.ok() for operation in found.get_all_operations()]
    most = max(1, cases // (len(operations) * len(_MODES)))
    for number, operation in enumerate(operations):
        documented = contract["paths"][operation.path][operation.method]
        for mode in _MODES:
            sending = _sender(http, operation.path, documented, statuses)
            limited: Any = settings(
                max_examples=most,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
                verbosity=Verbosity.quiet,
            )
            with suppress(Unsatisfiable):  # an operation without parameters cannot be violated
                strategy: Any = given(operation.as_strategy(generation_mode=mode))
                repeated: Any = seeded(seed + number)(strategy(sending))
                limited(repeated)()
    return statuses


def _sender(http: Http, path: str, documented: Any, statuses: "Counter[str]") -> Callable[[Any], None]:
    """Sends a case of one operation, and checks the answer."""

    def send(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url=_BASE)
        content = {}
        if sent.get("json") is not None:
            content["json"] = sent["json"]
        elif sent.get("data") is not None:
            content["content" if isinstance(sent["data"], bytes | str) else "data"] = sent["data"]
        headers = {name: str(value) for name, value in (sent.get("headers") or {}).items()}
        where = sent["url"].removeprefix(_BASE)
        answer = http.request(sent["method"], where, params=sent.get("params"), headers=headers, **content)
        statuses[f"{answer.status_code}"] += 1
        check_rest(answer, path, documented, case.method.lower())

    return send


def _summary(http: Http, cases: int, seed: int) -> str:
    found = run(http, cases, seed)
    return f"{found.total():,} requests: " + ", ".join(f"{name} {n:,}" for name, n in sorted(found.items()))


if __name__ == "__main__":
    sys.exit(fuzz("tests.fuzz_contract", __doc__, "--cases", _summary))
