"""The contract of `ports.Register`: in every hot store, in a folder and in a bucket."""

from pathlib import Path

import pytest

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.register import LakeRegister
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.register import Kind, Record
from assess_core.errors import NotOurTable
from assess_core.ports.register import Register
from tests.adapters.test_hot_store import ODD
from tests.conftest import Hot
from tests.places import Store, at, in_s3


@pytest.fixture(params=["memory", "sqlite", "cassandra", "folder", "s3"])
def register(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """An empty register, once for every adapter."""
    match request.param:
        case "memory":
            return MemoryHot().register
        case "sqlite":
            return SqliteHot(f"sqlite:///{tmp_path / 'hot.sqlite'}").register
        case "cassandra":
            hot: Hot = request.getfixturevalue("cassandra_hot")
            return hot.register
        case "folder":
            return LakeRegister(at(str(tmp_path / "register")))
        case _:
            return LakeRegister(at(in_s3(request.getfixturevalue("s3"), monkeypatch)))


def correction(topic: str = "quiz", id_: str = "1", content: str = "{}") -> Record:
    return Record(Kind.CORRECTION, topic, id_, content)


def test_records_are_read_by_kind_and_topic_in_order(register: Register) -> None:
    hold = Record(Kind.HOLD, "quiz", "1", ODD)
    records = [correction("z", "2"), correction(ODD, ODD, ODD), correction("z", "1"), correction("quiz")]
    register.add([*records, hold])
    register.add([])

    assert register.all(Kind.CORRECTION) == sorted(records)
    assert register.of(Kind.CORRECTION, ["z", ODD, "unknown"]) == sorted(records[:3])
    assert register.of(Kind.CORRECTION, []) == []
    assert register.of(Kind.HOLD, ["quiz"]) == register.all(Kind.HOLD) == [hold]
    assert register.all(Kind.ERASURE) == []


def test_a_record_that_is_added_again_stays_as_it_is(register: Register) -> None:
    register.add([correction(content="first")])
    register.add([correction(content="second"), correction(id_="2")])

    assert register.of(Kind.CORRECTION, ["quiz"]) == [correction(content="first"), correction(id_="2")]


def test_more_topics_than_one_statement_has_are_found(register: Register) -> None:
    records = [correction(f"topic {number:04}") for number in range(70)]
    register.add(records)

    assert register.of(Kind.CORRECTION, [record.topic for record in records]) == records


def test_a_removed_record_is_gone_and_others_stay(register: Register) -> None:
    gone, other = correction(id_="1"), correction(id_="2")
    register.add([gone, other])

    register.remove([gone])
    register.remove([gone])

    assert register.all(Kind.CORRECTION) == [other]


def test_a_removed_record_can_be_added_again(register: Register) -> None:
    register.add([correction(content="before")])
    register.remove([correction()])

    register.add([correction(content="after")])

    assert register.all(Kind.CORRECTION) == [correction(content="after")]


def test_only_a_stored_record_is_rewritten_and_it_can_be_removed_after_it(register: Register) -> None:
    register.add([correction(content="with a name"), correction(id_="2")])

    register.rewrite([correction(content="without"), correction(id_="3")])
    assert register.all(Kind.CORRECTION) == [correction(content="without"), correction(id_="2")]

    register.add([correction(content="late")])
    register.remove([correction(id_="2")])
    assert register.all(Kind.CORRECTION) == [correction(content="without")]
    register.remove([correction()])
    assert register.all(Kind.CORRECTION) == []


def test_a_damaged_file_of_the_lake_is_named_and_files_of_others_are_ignored(place: Location) -> None:
    register = LakeRegister(place)
    register.add([correction()])
    [name] = Store(place).names()
    Store(place).write("correction/readme.txt", b"a note")
    assert register.all(Kind.CORRECTION) == [correction()]

    Store(place).write(name, b"{")
    with pytest.raises(NotOurTable, match=r"no record of the register.*restore the file from a backup"):
        register.all(Kind.CORRECTION)
