"""`python -m tests.fuzz_api --requests 10000 --seed 1` sends random requests and GraphQL queries to the API.

Requests are made from `/openapi.json`, queries from the GraphQL schema; some are then damaged. The rules: no 5xx, no
internal error, only statuses that the document names, and answers of the documented shape. The run stops at the first
broken rule and prints the request.
"""

import argparse
import json
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import httpx
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
)

from assess_core.adapters.files.facts import FactsBatch, JsonFacts
from assess_core.adapters.files.links import SignedLinks
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.report_jobs import Rules
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.operating import Operating
from assess_core.usecases.requesting import Requesting
from assess_core.wiring import open_ledger, open_stores
from assess_core.wiring.places import clock
from graphql_api.app import create_app
from graphql_api.dataset import ReportRequests
from graphql_api.node_ids import BatchKey, node_id
from graphql_api.openapi import document
from graphql_api.schema import schema
from tests.api.client import Http, client
from tests.factories import MONDAY, event, key
from tests.loop import put_away, queries, take

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

FACTS: Final = JsonFacts(batches={"b1": FactsBatch("c1", 1), "b2": FactsBatch("c2", 2)})
_IDS: Final = ("u1", "a1", "c1", "b1", "t1", "b2", "b1|2024-W05", node_id(key()), node_id(BatchKey("b1")))
_NAMED: Final[dict[str, tuple[Any, ...]]] = {
    "userId": ("u1", "u2"), "batchId": ("b1", "b2"), "contextId": ("b1",), "courseId": ("c1",),
    "collectionId": ("c1",), "contentId": ("a1",), "assessmentId": ("a1",), "attemptId": ("t1", "t2"),
    "dataset": ("score-exhaust", "response-exhaust"), "datasetConfig": ({"batchId": "b1"}, {"batchFilter": ["b1"]}),
    "output_format": ("csv", "jsonl"), "requestedDate": ("2024-01-29",), "status": (2, "SUBMITTED"), "limit": (1, 10),
    "lastUpdatedTime": ("2024-01-29 00:00:00:000+0000",), "fields": (["score"],), "sliceId": ("b1|2024-W05",),
    "id": _IDS, "first": (1, 3), "config": ('{"batchId": "b1"}',),
}  # fmt: skip
_HOSTILE: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**31, 10**30, 1e308, "", " ", "0", "\0", "\ufffd", "ü" * 600, "x" * 5000, "../..", "|", "{",
    "' OR 1=1 --", "*", "%00", [], {}, [[]], [None], [{}], {"a": [1]}, [1] * 50, "2024-02-30", "NaN",
)  # fmt: skip
_DAMAGE: Final = (b'"', b"\\", b"[", b"}", b"\xff", b"\xed\xa0\x80", b"null", b"1e999", b"[" * 5000, b'{"a":' * 300)
_HEADERS: Final = ("content-type", "x-msgid", "x-channel-id", "x-authenticated-userid", "if-none-match", "accept")


class BrokenRule(Exception):
    """An answer breaks a rule."""


class Summary(NamedTuple):
    """The totals of a run."""

    statuses: Counter[str]
    grown: int
    """How much the largest memory of this process grew in the second half of the run, in MB."""

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(self.statuses.items()))
        return f"{self.statuses.total():,} requests: {counts}; memory grew by {self.grown} MB in the second half"


def run(http: Http, requests: int, seed: int, graphql: float = 0.5) -> Summary:
    """Send random requests; `graphql` is the share of queries. Raises `BrokenRule`."""
    random, statuses, half = Random(seed), Counter[str](), 0
    for number in range(requests):
        if number == requests // 2:
            half = _memory()
        if random.random() < graphql:
            statuses[f"GraphQL {query(http, random)}"] += 1
        else:
            statuses[f"REST {rest(http, random)}"] += 1
    return Summary(statuses, _memory() - half)


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


# --- REST ---


def rest(http: Http, random: Random) -> int:
    """The status of a random request to a path of the document."""
    path, methods = random.choice(list(document()["paths"].items()))
    [(method, operation)] = methods.items()
    sent, headers, params = path, {"content-type": "application/json", "x-channel-id": "c1"}, {}
    for parameter in operation["parameters"]:
        value = random.choice(("t", "r", "5", str(random.choice(_HOSTILE))))
        if parameter["in"] == "path":
            sent = sent.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
        elif parameter["in"] == "query" and random.random() < 0.8:
            params[parameter["name"]] = value
    if random.random() < 0.2:
        headers[random.choice(_HEADERS)] = random.choice(("", "x", "text/plain", "*", "y" * 3000))
    body = None
    if "requestBody" in operation:
        value = made(operation["requestBody"]["content"]["application/json"]["schema"], random)
        body = json.dumps(value).encode()
        if random.random() < 0.15:
            at = random.randrange(len(body) + 1)
            body = body[:at] + random.choice(_DAMAGE) + body[at + random.choice((0, 1, 20)) :]
    if random.random() < 0.03:
        method = random.choice(("get", "put", "delete", "options", "head"))
    answer = http.request(method.upper(), sent, content=body, headers=headers, params=params)
    check_rest(answer, path, operation, method)
    return answer.status_code


def check_rest(answer: httpx.Response, path: str, operation: Any, method: str) -> None:
    """Raises `BrokenRule` if an answer is not one that the document has for this path."""
    shown = f"{answer.request.method} {answer.request.url} {answer.request.content[:2000]!r} -> {answer.status_code}"
    if answer.status_code >= 500:
        raise BrokenRule(f"{shown}: {answer.text[:500]}")
    if method not in document()["paths"][path] or answer.status_code in (307, 405):
        return
    documented = operation["responses"].get(str(answer.status_code))
    if documented is None:
        raise BrokenRule(f"{shown}: the status is not documented")
    schema = documented["content"].get("application/json", {}).get("schema")
    if schema is not None:
        problem = next(validator_of(json.dumps(schema)).iter_errors(answer.json()), None)
        if problem is not None:
            raise BrokenRule(f"{shown}: {problem.json_path} {problem.message[:300]}")


@cache
def validator_of(schema_text: str) -> "Draft202012Validator":
    """The validator for a schema of the document."""
    from jsonschema import Draft202012Validator  # takes two seconds, which every test worker would pay at the top

    return Draft202012Validator({**json.loads(schema_text), "components": document()["components"]})


def made(schema_: Any, random: Random, name: str = "", depth: int = 0) -> Any:
    """A value for a schema; sometimes a hostile one."""
    if random.random() < 0.05:
        return random.choice(_HOSTILE)
    if "$ref" in schema_:
        schema_ = document()["components"]["schemas"][schema_["$ref"].rpartition("/")[2]]
    if name in _NAMED and random.random() < 0.8:
        return random.choice(_NAMED[name])
    if "anyOf" in schema_:
        return made(random.choice(schema_["anyOf"]), random, name, depth)
    if "properties" in schema_:
        required = set(schema_.get("required", ()))
        members = {one for one in schema_["properties"] if one in required or random.random() < 0.6}
        return {one: made(schema_["properties"][one], random, one, depth + 1) for one in sorted(members)}
    if schema_.get("type") == "array":
        return [made(schema_["items"], random, name, depth + 1) for _ in range(random.choice((0, 1, 1, 2)))]
    simple = {"string": "x", "integer": MONDAY, "number": 1.5, "boolean": True, "null": None, "object": event()}
    return simple.get(schema_.get("type", "string"))


# --- GraphQL ---


def query(http: Http, random: Random) -> int:
    """The status of a random query."""
    root = "Mutation" if random.random() < 0.05 else "Query"
    fields = " ".join(_field(schema.type_map[root], random, 0) for _ in range(random.choice((1, 1, 2, 5))))
    text = (
        f"{'mutation' if root == 'Mutation' else random.choice(('query', 'query Q', 'query ($v: ID)'))} {{ {fields} }}"
    )
    if random.random() < 0.1:
        text += random.choice((" fragment F on Query { ...F }", " fragment F on Score { id }", " { x }", " }", " #\0"))
    if random.random() < 0.1:
        at = random.randrange(len(text))
        text = text[:at] + random.choice(("{", "}", "$", '"', "...", "@skip(if: 1)", "\u2028", "\0")) + text[at + 1 :]
    body: Any = {"query": text, "variables": random.choice((None, {}, {"v": "u1"}, {"v": 5}, {"v": []}))}
    if random.random() < 0.05:
        body = random.choice((None, [], {"query": None}, {"query": 5}, {**body, "variables": []}, [body]))
    headers = {"content-type": "application/json", "x-channel-id": "c1"}
    answer = http.post("/graphql", content=json.dumps(body).encode(), headers=headers)
    shown = f"{json.dumps(body)[:2000]} -> {answer.status_code} {answer.text[:500]}"
    if answer.status_code not in (200, 400):
        raise BrokenRule(shown)
    found = answer.json()
    codes = [error["extensions"]["code"] for error in found.get("errors", ())]
    if "INTERNAL" in codes or (answer.status_code == 400) == ("data" in found) or not (codes or found.get("data")):
        raise BrokenRule(shown)
    return answer.status_code


def _field(type_: Any, random: Random, depth: int) -> str:
    if random.random() < 0.02:
        return random.choice(("nothing", "__typename", "...F", "... on Score { id }", "_: __typename", "a: a"))
    name, field = random.choice(list(type_.fields.items()))
    arguments = " ".join(
        f"{one}: {_argument(one, argument, random)}"
        for one, argument in field.args.items()
        if isinstance(argument.type, GraphQLNonNull) or random.random() < 0.5
    )
    alias = random.choice(("", "", "", f"a{random.randrange(9)}: "))
    text = f"{alias}{name}({arguments})" if arguments else f"{alias}{name}"
    inner = _bare(field.type)
    if isinstance(inner, GraphQLObjectType | GraphQLInterfaceType) and (depth < 12 or random.random() < 0.5):
        parts = " ".join(_field(inner, random, depth + 1) for _ in range(random.choice((1, 2, 3))))
        text += f" {{ {parts} }}"
    return text


def _argument(name: str, argument: GraphQLArgument, random: Random) -> str:
    type_ = _bare(argument.type)
    if random.random() < 0.1:
        return random.choice(("$v", "null", '""', "-1", "99999999999", '"\\u0000"', f'"{"x" * 2000}"', "{a: 1}", "[1]"))
    if isinstance(type_, GraphQLEnumType):
        return str(random.choice(list(type_.values)))
    if type_.name == "Int":
        return str(random.choice((1, 2, 20)))
    if type_.name == "Boolean":
        return random.choice(("true", "false"))
    return json.dumps(str(random.choice(_NAMED.get(name, _IDS))))


def _bare(type_: Any) -> Any:
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    return type_


# --- the API ---


@contextmanager
def served(stores: Stores, folder: Path) -> Iterator[Http]:
    """A client of the API over stores with some attempts, some of them archived."""
    take(stores, event(), event(user="u2"), event(batch="b2", course="c2"))
    put_away(stores)
    take(stores, event(attempt="t2"), event(attempted=None), {"broken": True})
    requesting = Requesting(MemoryRequests(), SignedLinks(folder), Rules(), lambda: MONDAY)
    requests, intake = ReportRequests.of(requesting, stores.exhausts, ""), stores.log.intake()
    operating = Operating(stores, open_ledger, clock, FACTS)
    try:
        with client(create_app(queries(stores), intake, FACTS, requests=requests, operating=operating)) as http:
            yield http
    finally:
        intake.close()


def fuzz(module: str, description: str | None, option: str, work: Callable[[Http, int, int], str]) -> int:
    """The command of a fuzzer: a number of requests, and a seed. Returns the exit code: 1 if a rule is broken."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(option, dest="requests", type=int, default=10_000, help="the number of requests")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the random requests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stores = open_stores(Settings.from_env({}, folder))
        try:
            with served(stores, Path(folder)) as http:
                print(work(http, options.requests, options.seed))
        except BrokenRule as error:
            print(f"{error}\nthe seed is {options.seed}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(fuzz("tests.fuzz_api", __doc__, "--requests", lambda http, requests, seed: str(run(http, requests, seed))))
