"""A report for programs that read the files of Sunbird's response exhaust."""

from pathlib import Path

import pytest
from msgspec import structs

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from tests.factories import answer, version
from tests.lakes import asked, keep, stores_over
from tests.report_files import csv_bytes


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """An empty hot store in memory, an empty lake."""
    return stores_over(MemoryHot(), tmp_path)


def lines(stores: Stores, format_: Format = Format.CSV) -> list[str]:
    written = write_exhaust(stores, asked("b1", Report.RESPONSE, format_, sunbird=True))
    return csv_bytes(Path(written.path), format_).decode().split("\n")[1:-1]


@pytest.mark.parametrize("format_", [Format.CSV, Format.CSV_GZ, Format.ZIP])
def test_times_have_seconds_and_options_have_apostrophes(format_: Format, stores: Stores) -> None:
    keep(stores.hot, [version()])

    [line] = lines(stores, format_)

    options = "\"[{'1':'{'text':'Dispur'}'},{'answer':'{'correct':['1']}'}]\""
    assert line == (
        'c1,"",BatchId_b1,"",u1,a1,"",t1,2024-01-30 00:00:00,q1,mcq,What is the capital of Assam?,"",3.0,1.0,2.0,'
        f"{options},[{{'1':'{{'text':'Dispur'}}'}}]"
    )


def test_missing_values_are_empty_texts_in_quotes_and_missing_options_are_null(stores: Stores) -> None:
    keep(stores.hot, [version(answers=[])])

    assert lines(stores) == ['c1,"",BatchId_b1,"",u1,a1,"",t1,2024-01-30 00:00:00,"","","","","","","",null,null']


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('say "hi"', r'"say \"hi\""'),
        ("a,b", '"a,b"'),
        ("a\\b", "a\\b"),
        ("a\\b,c", r'"a\\b,c"'),
        ("  spaces  ", "spaces"),
        ("  ", '""'),
        ("a\rb", '"a\rb"'),
        ("#", "#"),
        ("=1+1", "=1+1"),
        ("भारत", "भारत"),
    ],
)
def test_texts_are_written_as_spark_writes_them(text: str, cell: str, stores: Stores) -> None:
    """With a backslash before a quote, and without the spaces around a text."""
    keep(stores.hot, [version(answers=[structs.replace(answer(), title=text)])])

    [line] = lines(stores)

    assert f',mcq,{cell},"",3.0,' in line
