"""How a row becomes text in each format: DuckDB computes the texts, so Python handles no row."""

import json
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from assess_core.adapters.duckdb.reports.columns import Column, Type, header
from assess_core.domain.report_formats import MOST_CELL_CHARACTERS, Dialect, Format
from assess_core.domain.report_spec import ReportSpec

TOO_LONG: Final = "a text is too long for a cell"
"""The beginning of DuckDB's error for a text that no cell of a sheet can hold."""


class Encoding(NamedTuple):
    """The texts around cells, and the SQL of a cell."""

    start: str
    between: str
    end: str
    cell: Callable[[Column, str], str]
    """The SQL of a cell, from a column and the SQL of its value."""
    head: Callable[[Sequence[Column], ReportSpec], str]
    """What precedes the rows."""
    tail: str = ""
    """What follows the rows."""


def encoding_of(spec: ReportSpec) -> Encoding:
    """The encoding of the rows in the format of a spec. Parquet has none."""
    if spec.format is Format.JSONL:
        return _JSON_LINES
    if spec.format is Format.XLSX:
        return _SHEET
    return _SUNBIRD if spec.dialect is Dialect.SUNBIRD else _CSV


def row_sql(encoding: Encoding, columns: Sequence[Column], values: Sequence[str]) -> str:
    """The SQL of a whole row."""
    return (
        f"concat({text_literal(encoding.start)}, {cells_sql(encoding, columns, values)}, {text_literal(encoding.end)})"
    )


def cells_sql(encoding: Encoding, columns: Sequence[Column], values: Sequence[str]) -> str:
    """The SQL of some cells of a row, as arguments of `concat`."""
    cells = (encoding.cell(column, value) for column, value in zip(columns, values, strict=True))
    return f", {text_literal(encoding.between)}, ".join(cells)


def text_literal(text: str) -> str:
    """A text as an SQL literal; a line feed is written as chr(10)."""
    return "'" + text.replace("'", "''").replace("\n", "' || chr(10) || '") + "'"


# --- CSV ---


def _contains(value: str, *characters: str) -> str:
    return "(" + " OR ".join(f"contains({value}, {character})" for character in characters) + ")"


_QUOTE, _COMMA, _LINE_FEED, _RETURN, _HASH = "'\"'", "','", "chr(10)", "chr(13)", "'#'"


def _csv_cell(column: Column, value: str) -> str:
    """A cell as DuckDB's own writer has it: an empty text is quoted, and `concat` makes NULL an empty cell."""
    if column.type is Type.VALUE:
        return f"CASE WHEN typeof({value}) = 'VARCHAR' THEN {_csv_text(f'{value}::VARCHAR')} ELSE {value}::VARCHAR END"
    return value if column.type is Type.MOMENT else _csv_text(value)


def _csv_text(value: str) -> str:
    special = _contains(value, _QUOTE, _COMMA, _LINE_FEED, _RETURN, _HASH)
    return f"""CASE WHEN {value} = '' OR {special} THEN '"' || replace({value}, '"', '""') || '"' ELSE {value} END"""


def _csv_head(columns: Sequence[Column], spec: ReportSpec) -> str:
    return ",".join(map(_quoted, header(columns, spec))) + "\n"


def _quoted(name: str) -> str:
    special = not name or any(character in name for character in '",\n\r#')
    return '"' + name.replace('"', '""') + '"' if special else name


_CSV: Final = Encoding("", ",", "\n", _csv_cell, _csv_head)

# --- Sunbird's CSV: the writer of Spark 3 with its default options ---

_SPACES: Final = "chr(0) || '" + "".join(map(chr, range(1, 33))) + "'"
_SPACES_AROUND: Final = r"^[\x00-\x20]|[\x00-\x20]$"
_EMPTY: Final = "'\"\"'"


def _sunbird_cell(column: Column, value: str) -> str:
    """Null and the empty text are `""`. Spaces around a text are removed; a backslash escapes."""
    if column.type in (Type.VALUE, Type.MOMENT):
        return f"coalesce({value}::VARCHAR, {_EMPTY})"
    return f"coalesce({_sunbird_text(value)}, {_EMPTY})"


def _sunbird_text(value: str) -> str:
    """Spaces are looked for first: DuckDB trims slowly, and few texts have them at an end."""
    trimmed = f"trim({value}, {_SPACES})"
    around = f"regexp_matches({value}, '{_SPACES_AROUND}')"
    spaced = f"CASE WHEN {trimmed} = '' THEN {_EMPTY} ELSE {_spark_cell(f'ltrim({value}, {_SPACES})', trimmed)} END"
    return f"CASE WHEN {value} = '' THEN {_EMPTY} WHEN {around} THEN {spaced} ELSE {_spark_cell(value, value)} END"


def _spark_cell(begun: str, text: str) -> str:
    """A text in quotes if it needs them. `begun` is the text with the spaces at its end, which can be line ends."""
    escaped = rf"""replace(replace({text}, '\', '\\'), '"', '\"')"""
    special = _contains(begun, _QUOTE, _COMMA, _LINE_FEED, _RETURN)
    return f"CASE WHEN {special} THEN '\"' || {escaped} || '\"' ELSE {text} END"


_SUNBIRD: Final = Encoding("", ",", "\n", _sunbird_cell, _csv_head)

# --- JSON Lines ---


def _json_cell(column: Column, value: str) -> str:
    name = json.dumps(column.name, ensure_ascii=False)
    text = f"to_json({value})"
    if column.type is Type.VALUE:  # JSON has no infinite numbers
        text = f"CASE WHEN {_finite(value)} THEN {text} ELSE to_json({value}::VARCHAR) END"
    return f"{text_literal(f'{name}:')} || coalesce({text}::VARCHAR, 'null')"


def _finite(value: str) -> str:
    """Whether a value is not an infinite number, and not NULL."""
    return f"{value}::VARCHAR NOT IN ('inf', '-inf', 'nan')"


_JSON_LINES: Final = Encoding("{", ",", "}\n", _json_cell, lambda _, __: "")

# --- the sheet of an Excel workbook: cells without coordinates, which readers count ---

_TEXT_CELL: Final = '<c t="inlineStr" s="1"><is><t xml:space="preserve">'
_TEXT_END: Final = "</t></is></c>"
_CONTROLS: Final = (*range(9), 11, 12, *range(13, 32), 0xFFFE, 0xFFFF)
"""Characters that XML does not allow, and the carriage return, which XML readers replace."""
_ESCAPED: Final = "_x[0-9A-Fa-f]{4}_"
_RARE: Final = rf"[\x00-\x08\x0b-\x1f&<>\x{{FFFE}}\x{{FFFF}}]|{_ESCAPED}"
_ASTRAL: Final = r"[^\x{10000}-\x{10FFFF}]"


def _sheet_cell(column: Column, value: str) -> str:
    """A cell that has its type, so that no text can run as a formula: the text is exact."""
    if column.type is Type.MOMENT:
        return f"""coalesce('<c s="2"><v>' || {value} || '</v></c>', '<c/>')"""
    if column.type is Type.VALUE:
        text = _sheet_text(column, f"{value}::VARCHAR")
        return f"""CASE typeof({value}) WHEN 'VARCHAR' THEN {text}
            WHEN 'BOOLEAN' THEN coalesce('<c t="b"><v>' || {value}::VARCHAR::BOOLEAN::INTEGER || '</v></c>', '<c/>')
            ELSE CASE WHEN {_finite(value)} THEN '<c><v>' || {value}::VARCHAR || '</v></c>' ELSE {text} END END"""
    return _sheet_text(column, value)


def _sheet_text(column: Column, value: str) -> str:
    return f"coalesce('{_TEXT_CELL}' || {_xml(_short(column, value))} || '{_TEXT_END}', '<c/>')"


def _short(column: Column, value: str) -> str:
    """Fail if a text has more characters than a cell can hold. Bytes are counted first, because that is fast."""
    characters = f"length({value}) + length(regexp_replace({value}, '{_ASTRAL}', '', 'g'))"
    message = text_literal(f"{TOO_LONG}: column {column.name} has one of ")
    too_long = f"strlen({value}) > {MOST_CELL_CHARACTERS} AND {characters} > {MOST_CELL_CHARACTERS}"
    return f"CASE WHEN {too_long} THEN error({message} || ({characters})) ELSE {value} END"


def _xml(value: str) -> str:
    """A text in XML. As in Excel, `_x0001_` stands for a character that XML does not allow, and `_x005F_` for `_`."""
    escaped = (
        f"CASE WHEN regexp_matches({value}, '{_ESCAPED}') THEN replace({value}, '_x', '_x005F_x') ELSE {value} END"
    )
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        escaped = f"replace({escaped}, '{character}', '{entity}')"
    for code in _CONTROLS:
        escaped = f"replace({escaped}, chr({code}), '_x{code:04X}_')"
    return f"CASE WHEN regexp_matches({value}, '{_RARE}') THEN {escaped} ELSE {value} END"


_SHEET_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" '
    'state="frozen"/></sheetView></sheetViews><sheetData><row>'
)


def _sheet_head(columns: Sequence[Column], _: ReportSpec) -> str:
    return _SHEET_HEAD + "".join(f"{_TEXT_CELL}{_xml_name(column.name)}{_TEXT_END}" for column in columns) + "</row>"


def _xml_name(name: str) -> str:
    """A header: characters that XML does not allow become U+FFFD."""
    return escape("".join("\ufffd" if ord(character) in _CONTROLS else character for character in name))


_SHEET: Final = Encoding("<row>", "", "</row>", _sheet_cell, _sheet_head, "</sheetData></worksheet>")
