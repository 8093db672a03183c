"""What a report declares, and how its columns are written in each format."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from assess_core.domain.names import NameKind
from assess_core.domain.report_formats import Dialect, Format
from assess_core.domain.report_spec import Naming, ReportSpec, Versions
from assess_core.errors import BadReport


class Type(Enum):
    """What a column contains."""

    TEXT = auto()
    """Texts that people or other systems wrote."""
    JSON = auto()
    """A JSON list, as text."""
    VALUE = auto()
    """Numbers, truth values, and texts that this project writes."""
    MOMENT = auto()


class Column(NamedTuple):
    """A column of a report."""

    name: str
    """The header."""
    sql: str
    """An expression over the rows of the report."""
    type: Type = Type.TEXT
    names: NameKind | None = None
    """The kind of names that the expression reads; `name_joins` adds their table."""
    id: str | None = None
    """The column whose names it reads."""


ATTEMPT: Final = "user_id, course_id, batch_id, content_id, attempt_id"
"""The columns of an attempt key."""
Query = Callable[[str], list[tuple[object, ...]]]
"""Runs a query and returns all of its rows."""


class Declaration(NamedTuple):
    """A report. Its SQL reads the table `picked` (`picked.picked_sql`) and the view `reported` over it."""

    columns: tuple[Column, ...]
    rows: str
    """A query; the columns are expressions over its rows."""
    order: str
    """The columns of `rows` that order the report. No two rows are equal in all of them."""
    unit: str = ATTEMPT
    """The columns that identify what a change concerns: with `since`, all attempts of a changed unit are picked."""
    titles: tuple[Column, ...] = ()
    """Columns that follow if titles are asked for."""
    learners: tuple[Column, ...] = ()
    """Columns with personal data. They follow only if the names of learners are asked for."""
    of_versions: tuple[Column, ...] = ()
    """Columns that follow if all versions are reported."""
    originals: tuple[Column, ...] = ()
    """Columns that follow if the scores that were submitted are asked for, beside corrected ones."""
    prepare: Callable[[ReportSpec], Sequence[str]] = lambda _: ()
    """Statements to run before the query, for example to create a table that is read several times."""
    more: Callable[[Query], tuple[Column, ...]] = lambda _: ()
    """Columns that depend on the data; they follow the others."""


# Texts that a spreadsheet program runs as a formula or changes. It shows 12 digits as 1.2E+11, rounds more than 15,
# drops zeros at the beginning, and reads 12e5 as a number
_UNSAFE: Final = r"^(\s*[=+@\t\r-]|0[0-9]+$|[0-9]{12,}$|[0-9]+[eE][0-9]+$)"
_UNSAFE_NAME: Final = re.compile(_UNSAFE)
_BYTE_ORDER_MARK: Final = "\ufeff"
_NAMED: Final = 10
"""Columns that a message names."""


def chosen(declared: Declaration, more: Sequence[Column], spec: ReportSpec) -> list[Column]:
    """The columns that a spec asks for, in its order, as its format shows them. Raises `BadReport`."""
    versions = declared.of_versions if spec.versions is Versions.ALL else ()
    originals = declared.originals if spec.originals else ()
    columns = _with_own_names([*declared.columns, *_names(declared, spec), *versions, *originals, *more])
    if spec.columns:
        by_name = {column.name: column for column in columns}
        if unknown := [name for name in spec.columns if name not in by_name]:
            raise BadReport([_no_column(declared, spec, unknown, list(by_name))])
        columns = [by_name[name] for name in spec.columns]
    return [shown(column, spec) for column in columns]


def _names(declared: Declaration, spec: ReportSpec) -> tuple[Column, ...]:
    if spec.names is Naming.LEARNERS:
        return (*declared.titles, *declared.learners)
    return declared.titles if spec.names is Naming.TITLES else ()


def _no_column(declared: Declaration, spec: ReportSpec, unknown: Sequence[str], known: Sequence[str]) -> str:
    wrong = ", ".join(repr(name[:100]) for name in unknown[:_NAMED])
    message = f"columns: the report {spec.report} has no column {wrong}; it has {', '.join(known[: 4 * _NAMED])}"
    for naming, columns in ((Naming.TITLES, declared.titles), (Naming.LEARNERS, declared.learners)):
        if named := [column.name for column in columns if column.name in unknown]:
            message += f"; with names: {naming} also {', '.join(named)}"
    return message


def _with_own_names(columns: Iterable[Column]) -> list[Column]:
    """The columns with names that differ also without regard to case: DuckDB compares them so.

    A NUL, at which DuckDB's parser stops, becomes U+FFFD. A repeated name gets a number.
    """
    found: set[str] = set()
    result = []
    for column in columns:
        name = plain = column.name.replace("\0", "\ufffd")
        number = 1
        while name.casefold() in found:
            number += 1
            name = f"{plain} ({number})"
        found.add(name.casefold())
        result.append(column._replace(name=name))
    return result


def shown(column: Column, spec: ReportSpec) -> Column:
    """A column as a format shows it. Version time 1970-01-01 means "no clock" and is shown as empty.

    For a spreadsheet program an apostrophe precedes unsafe texts.
    """
    if column.type is Type.MOMENT:
        moment = f"nullif({column.sql}, to_timestamp(0))"
        return column._replace(sql=_moment(moment, spec))
    if spec.dialect is Dialect.SUNBIRD and column.type is Type.JSON:
        return column._replace(sql=_mangled(column.sql))
    if spec.spreadsheet and column.type is Type.TEXT:
        return column._replace(sql=_safe(column.sql))
    return column


def header(columns: Sequence[Column], spec: ReportSpec) -> list[str]:
    """The names of the columns; a spreadsheet program needs a byte order mark before the first one."""
    if not spec.spreadsheet:
        return [column.name for column in columns]
    first, *others = ("'" + name if _UNSAFE_NAME.match(name) else name for name, *_ in columns)
    return [_BYTE_ORDER_MARK + first, *others]


def name_joins(columns: Iterable[Column]) -> str:
    """The SQL of the joins with the tables of names that some columns read.

    A table has an id once, so names never add or remove a row. A subquery in each column would be simpler, but DuckDB
    copies all columns of the rows around it, also the answers: a report of 200,000 answers took 1,070 MB.
    """
    ids = {column.names: column.id for column in columns if column.names is not None}
    return " ".join(f"LEFT JOIN {kind}_names ON {kind}_names.id = {ids[kind]}" for kind in NameKind if kind in ids)


def report_sql(declared: Declaration, columns: Sequence[Column], names: Sequence[str]) -> str:
    """The rows of a report; `columns` are from `chosen`, and `names` are their names in the result."""
    order = ", ".join(f"rows.{name.strip()}" for name in declared.order.split(","))
    return f"SELECT {_listed(columns, names)} {_rows(declared, columns)} ORDER BY {order}"


def numbered_rows_sql(declared: Declaration, columns: Sequence[Column], names: Sequence[str]) -> str:
    """The rows of the response report in any order, each with the number of its attempt."""
    return f"SELECT {_listed(columns, names)}, number {_rows(declared, columns)}"


def _listed(columns: Sequence[Column], names: Sequence[str]) -> str:
    return ", ".join(f"{column.sql} AS {_identifier(name)}" for column, name in zip(columns, names, strict=True))


def _rows(declared: Declaration, columns: Sequence[Column]) -> str:
    return f"FROM ({declared.rows}) AS rows {name_joins(columns)}"


def parquet_options(versions: Mapping[str, str]) -> str:
    """The options of DuckDB's COPY; the file names the versions that its bytes depend on."""
    metadata = ", ".join(f"{name}: '{version}'" for name, version in versions.items())
    return f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{metadata}}}"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _mangled(text: str) -> str:
    """JSON as in Sunbird's files: without backslashes and `\\n`, with apostrophes instead of quotes."""
    return rf"""coalesce(replace(replace(replace({text}, '\n', ''), '\', ''), '"', chr(39)), 'null')"""


def _safe(text: str) -> str:
    return f"CASE WHEN regexp_matches({text}, '{_UNSAFE}') THEN chr(39) || {text} ELSE {text} END"


def _moment(moment: str, spec: ReportSpec) -> str:
    if spec.format is Format.PARQUET:
        return moment
    if spec.format is Format.XLSX:  # days since the year 1900, as Excel counts them
        return f"epoch_ms({moment}) / 86400000.0 + 25569"
    pattern = "%Y-%m-%d %H:%M:%S" if spec.dialect is Dialect.SUNBIRD else "%Y-%m-%dT%H:%M:%S.%gZ"
    return f"strftime(make_timestamp(epoch_us({moment})), '{pattern}')"
