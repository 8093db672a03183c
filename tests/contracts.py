"""`python -m tests.contracts`: writes the contracts that clients rely on, and the reference, into `docs`.

It names changes that break clients, and then writes nothing unless `--breaking` is typed.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from graphql import build_schema, find_breaking_changes, print_schema

from graphql_api.openapi import document
from graphql_api.schema import schema
from tests import reference_pages

DOCS: Final = Path(__file__).parents[1] / "docs"
GRAPHQL: Final = DOCS / "schema.graphql"
OPENAPI: Final = DOCS / "openapi.json"


def graphql_text() -> str:
    """The GraphQL schema of this code."""
    return print_schema(schema) + "\n"


def openapi_text() -> str:
    """The OpenAPI document of this code."""
    return json.dumps(document(), indent=1) + "\n"


def breaking_graphql(old: str, new: str) -> list[str]:
    """The changes of the GraphQL schema that break clients."""
    return [change.description for change in find_breaking_changes(build_schema(old), build_schema(new))]


def breaking_openapi(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """The changes of the OpenAPI document that break clients: what is gone, and what became required."""
    for path, methods in old["paths"].items():
        for method in methods:
            if method not in new["paths"].get(path, {}):
                yield f"{method.upper()} {path} was removed."
    for name, before in old["components"]["schemas"].items():
        after = new["components"]["schemas"].get(name, {})
        removed = before.get("properties", {}).keys() - after.get("properties", {}).keys()
        yield from (f"{name}.{member} was removed." for member in sorted(removed))
        required = set(after.get("required", ())) - set(before.get("required", ()))
        yield from (f"{name}.{member} became required." for member in sorted(required))


def main() -> int:
    """Write the files. Returns the exit code: 1 if nothing was written."""
    parser = argparse.ArgumentParser(prog="python -m tests.contracts", description=__doc__)
    parser.add_argument("--breaking", action="store_true", help="write the files although a change breaks clients")
    options = parser.parse_args()
    changes = breaking_graphql(GRAPHQL.read_text(encoding="utf-8"), graphql_text())
    changes += breaking_openapi(json.loads(OPENAPI.read_text(encoding="utf-8")), document())
    for change in changes:
        print(f"breaks clients: {change}", file=sys.stderr)
    if changes and not options.breaking:
        print("nothing was written; keep what clients use, or type --breaking", file=sys.stderr)
        return 1
    GRAPHQL.write_text(graphql_text(), encoding="utf-8")
    OPENAPI.write_text(openapi_text(), encoding="utf-8")
    for page, text in reference_pages.pages().items():
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
