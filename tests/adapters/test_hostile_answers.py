"""Servers that answer slowly, without end or with junk: a sentence, in bounded time and memory."""

import time
import tracemalloc
from collections.abc import Iterator

import pytest

from assess_core.adapters.http.client import NoAnswer, read_url
from assess_core.adapters.smtp import mail
from assess_core.domain.report_notices import NoticeText
from assess_core.errors import BadSettings
from assess_core.ports.notifying import NotSent
from tests.hostile_servers import Script, accepts_a_message, hostile, sends, silent, talks

NOTICE = NoticeText("R-1", "march", "R", "SUCCESS", None)
MOST = 10_000_000  # bytes of memory
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def in_bounded_time_and_memory() -> Iterator[None]:
    tracemalloc.start()
    began = time.monotonic()
    yield
    took, (_, most) = time.monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (took < 3, most < MOST) == (True, True), (took, most)


@pytest.mark.parametrize(
    "script",
    [
        silent,
        sends(OK, b"x", 0.01),
        sends(OK, b"x: y\r\n"),
        sends(OK, b"x: " + b"y" * 60_000 + b"\r\n"),
        sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
        sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        sends(OK + b"\r\n", b"x" * 60_000),
        sends(OK + b"\r\n", b"x", 0.01),
        sends(CHUNKS, b"1\r\nx\r\n", 0.01),
        sends(CHUNKS, b"0", 0.01),
        sends(CHUNKS + b"0\r\n", b"x: y\r\n"),
        sends(CHUNKS + b"0\r\n", b"x: y\r\n", 0.01),
        sends(OK + b"Content-Length: 100\r\n\r\n", b"x", 0.01),
        sends(b"HTTP/1.1 500 no\r\n", b"x", 0.01),
        sends(b"\x16\x03\x01\x02\x00junk\r\n"),
    ],
)
def test_an_answer_of_a_web_server_has_limits_of_size_and_time(script: Script) -> None:
    with hostile(script) as port, pytest.raises(NoAnswer, match="does not answer") as error:
        read_url(f"http://127.0.0.1:{port}/", seconds=0.1, most_bytes=1000, body=b"{}")
    assert (str(error.value).isprintable(), "junk" in str(error.value)) == (True, False)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "http://127.0.0.1:1/", "ftp://127.0.0.1/", "//evil.test/"])
def test_a_redirect_is_not_followed(to: str) -> None:
    answer = b"HTTP/1.1 307 no\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % to.encode()
    with hostile(sends(answer)) as port, pytest.raises(NoAnswer, match="answered 307"):
        read_url(f"http://127.0.0.1:{port}/", seconds=1, most_bytes=1000)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "_SECONDS", 0.1)
    monkeypatch.setattr(mail, "_CONVERSATION", 0.2)


HELLO = (b"220 test", b"250-test\r\n250 AUTH CRAM-MD5 PLAIN")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        (silent, "ended the conversation, or did not answer in time"),
        (sends(b"220-", b"x", 0.01), "ended the conversation, or did not answer in time"),
        (sends(b"", b"220-welcome\r\n"), "ended the conversation, or did not answer in time"),
        (sends(b"", b"220-welcome\r\n", 0.01), "ended the conversation, or did not answer in time"),
        (sends(b"", b"x" * 60_000), "answered 500"),
        (sends(b"\x16\x03\x01\x02\x00junk\r\n"), "answered -1"),
        (talks(*HELLO, endlessly=b"334-x\r\n"), "ended the conversation, or did not answer in time"),
        (talks(*HELLO, b"334 \xff no base64"), "does not speak SMTP|refuses the user and password|ended the conv"),
        (talks(*HELLO, b"235 ok", b"250 ok", b"250 ok", b"354 go on"), "ended the conversation"),
    ],
)
def test_a_conversation_with_a_mail_server_has_limits_of_size_and_time(script: Script, why: str) -> None:
    with hostile(script) as port, pytest.raises(NotSent, match=why) as error:
        mail.Mail(f"smtp://user:SECRET@127.0.0.1:{port}/?from=a@b.c&to=d@e.f").send(NOTICE)
    assert "SECRET" not in str(error.value)


@pytest.mark.usefixtures("short")
def test_a_message_that_was_accepted_is_not_sent_again_whatever_comes_then() -> None:
    with hostile(accepts_a_message(then=b"250 queued\r\n500 what is QUIT\r\n")) as port:
        mail.Mail(f"smtp://127.0.0.1:{port}/?from=a@b.c&to=d@e.f").send(NOTICE)


def test_a_password_that_cannot_be_sent_is_refused_at_once() -> None:
    with pytest.raises(BadSettings, match="only ASCII") as error:
        mail.Mail("smtp://user:%C3%A4@127.0.0.1/?from=a@b.c&to=d@e.f")
    assert "ä" not in str(error.value)
