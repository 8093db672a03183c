"""Notices as e-mails by one SMTP server: `smtp[s]://[USER:PASSWORD@]HOST[:PORT]?from=ADDRESS&to=ADDRESS`."""

import ipaddress
import re
import smtplib
import ssl
import time
from contextlib import closing, suppress
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from assess_core.adapters.limited_answers import limited_answer
from assess_core.domain.moments import iso
from assess_core.domain.report_notices import NoticeText
from assess_core.errors import BadSettings
from assess_core.ports.notifying import NotSent
from assess_core.retrying import retrying

_SECONDS: Final = 5.0
_CONVERSATION: Final = 20.0
"""Seconds for all answers of a server together; there are about ten."""
_MOST_BYTES: Final = 64 * 1024
"""Of answers before or after encryption begins."""
_PORTS: Final = {"smtp": 587, "smtps": 465}
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,200}", re.ASCII)
_EXAMPLE: Final = "write smtp://USER:PASSWORD@HOST/?from=ADDRESS&to=ADDRESS"


class Mail:
    """A mailbox. The connection is encrypted, and the server's certificate verified, except on this machine."""

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`, which does not contain the password."""
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        except ValueError:
            raise BadSettings(f"ASSESS_NOTIFY: the host or port of the SMTP server is wrong; {_EXAMPLE}") from None
        self._scheme = parts.scheme
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        options = parse_qs(parts.query)
        self._sender, self._receiver = (",".join(options.get(name, ())) for name in ("from", "to"))
        if not self._host or not all(_ADDRESS.fullmatch(one) for one in (self._sender, self._receiver)):
            raise BadSettings(f"ASSESS_NOTIFY: an SMTP server needs a host, a sender and a receiver; {_EXAMPLE}")
        if not (self._user + self._password).isascii():
            raise BadSettings(
                "ASSESS_NOTIFY: the user and the password of the SMTP server can have only ASCII characters"
            )

    @property
    def about(self) -> str:
        """Server and mailbox."""
        return f"{self._receiver} by {self._scheme}://{self._host}:{self._port}"

    def send(self, notice: NoticeText) -> None:
        """See `Notifier.send`."""
        message = EmailMessage()
        message["From"], message["To"] = self._sender, self._receiver
        message["Subject"] = f"Report request {notice.request_id}: {notice.status}"
        message["Message-ID"] = f"<{notice.id}@assess.invalid>"
        until = "there are none" if notice.files_until is None else f"kept until {iso(notice.files_until)}"
        message.set_content(
            f"tag: {notice.tag}\nrequest: {notice.request_id}\nstatus: {notice.status}\nfiles: {until}\n"
        )
        try:
            retrying(_is_temporary, deadline_seconds=_SECONDS)(self._send, message)
        except (OSError, ValueError) as error:  # the text of an error can repeat what we sent
            raise NotSent(f"{self.about} {_reason(error)}") from None

    def _send(self, message: EmailMessage) -> None:
        context = ssl.create_default_context()
        connect = _EncryptedConversation if self._scheme == "smtps" else _Conversation
        options = {"context": context} if self._scheme == "smtps" else {}
        with closing(connect(self._host, self._port, timeout=_SECONDS, **options)) as server:
            if self._scheme == "smtp" and not _is_this_machine(self._host):
                server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
            server.send_message(message)
            with suppress(smtplib.SMTPException):  # the message was accepted, so it must not be sent again
                server.quit()


class _Conversation(smtplib.SMTP):
    """A conversation with a server whose answers may be slow or endless."""

    def __init__(self, *where: Any, **options: Any) -> None:
        self._until = time.monotonic() + _CONVERSATION
        super().__init__(*where, **options)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = limited_answer(self.sock, until=self._until, most_bytes=_MOST_BYTES)
        return super().getreply()


class _EncryptedConversation(_Conversation, smtplib.SMTP_SSL):
    """The same with TLS from the start."""


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    return isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException)


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return "does not speak SMTP"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has no valid certificate ({error.verify_message})"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "refuses the user and password"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "offers no encryption or no login; use smtps://, or another server"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"answered {error.smtp_code}"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "ended the conversation, or did not answer in time"
    if isinstance(error, smtplib.SMTPException):
        return f"refused the message ({type(error).__name__})"
    return f"does not answer ({getattr(error, 'strerror', None) or type(error).__name__})"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
