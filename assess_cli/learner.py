"""The option `--learner`. Three commands also accept its first name, `--user`, which scripts use; no help shows it."""

from collections.abc import Callable
from typing import Any

import click

_FIRST_NAME = "--user"


class _Learner(click.Option):
    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        parser.add_option(self, [_FIRST_NAME], self.name, action="append" if self.multiple else "store", nargs=1)


def learner_option(*names: str, **attributes: Any) -> Callable[[Any], Any]:
    """`--learner`, for a command that has accepted `--user`."""
    return click.option("--learner", *names, cls=_Learner, **attributes)
