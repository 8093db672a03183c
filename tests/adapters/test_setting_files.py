"""Settings that name a pipe, a device or an endless file: a sentence at once, and bounded memory."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from assess_core.adapters.files.erasure_keys import KeyFile
from assess_core.adapters.files.facts import FactsFile
from assess_core.adapters.files.grants import FileGrants
from assess_core.adapters.files.links import SignedLinks
from assess_core.adapters.files.names import FileNames
from assess_core.adapters.files.retention import read_retention
from assess_core.adapters.files.schedules import read_schedules
from assess_core.adapters.tokens.certificates import days_left
from assess_core.adapters.tokens.keys import parse_key_set
from assess_core.adapters.tokens.sources import read_file
from assess_core.errors import AssessError
from assess_core.settings import ApiSettings
from graphql_api.__main__ import _tls
from tests.api.issuer import key_set

SECRET: Final = "the secret of links"
READERS: Final[dict[str, Callable[[Path], object]]] = {
    "ASSESS_API_KEYS": read_file,
    "ASSESS_API_TLS_CERT of doctor": lambda path: days_left(str(path)),
    "ASSESS_API_TLS_CERT of the API": lambda path: _tls(ApiSettings(tls_cert=str(path), tls_key=str(path))),
    "ASSESS_ERASURE_KEYS": lambda path: KeyFile(path).all(),
    "ASSESS_FACTS": lambda path: FactsFile(path, print),
    "ASSESS_GRANTS": lambda path: FileGrants(path).of("m1"),
    "ASSESS_NAMES": lambda path: FileNames(path).open(),
    "ASSESS_RETENTION": read_retention,
    "ASSESS_SCHEDULES": read_schedules,
    SECRET: lambda path: SignedLinks(path.parent).link("x", 0),
}


@pytest.fixture(params=["a pipe", "an endless device", "a folder", "a link to itself", "a name that is too long"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "link-secret"
    if request.param == "a pipe":
        os.mkfifo(path)
    elif request.param == "an endless device":
        path.symlink_to("/dev/zero")
    elif request.param == "a folder":
        path.mkdir()
    elif request.param == "a link to itself":
        path.symlink_to(path)
    else:
        return tmp_path / ("x" * 300)
    return path


@pytest.mark.parametrize("what", list(READERS))
def test_a_setting_that_names_no_regular_file_is_a_sentence_at_once(what: str, odd: Path) -> None:
    if what == SECRET and not os.path.exists(odd):  # it is written
        return
    with pytest.raises(AssessError, match="; ") as error:
        READERS[what](odd)
    assert "Errno" not in str(error.value)


def test_a_mark_at_the_beginning_of_a_key_set_or_a_ring_of_keys_does_not_matter(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / "ring").write_bytes(mark + b"0" * 64 + b"\n")
    assert KeyFile(tmp_path / "ring").all() == ("0" * 64,)
    assert parse_key_set(mark + key_set(), "here").keys() == parse_key_set(key_set(), "here").keys()


def test_a_file_of_facts_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assess_core.adapters.files.facts._MOST_BYTES", 1024**2)
    (tmp_path / "facts.json").write_bytes(b" " * (1024**2 + 1))
    with pytest.raises(AssessError, match="has more than 1 MiB"):
        FactsFile(tmp_path / "facts.json", print)
