"""Notices as a POST of JSON to a web address."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from assess_core.adapters.http.client import NoAnswer, is_protected, read_url
from assess_core.domain.moments import iso
from assess_core.domain.report_notices import NoticeText
from assess_core.errors import BadSettings
from assess_core.ports.notifying import NotSent
from assess_core.retrying import retrying

_SECONDS: Final = 5.0
_MOST_ANSWER: Final = 64 * 1024  # bytes; the answer is not used
_TOO_BUSY: Final = 429
_SERVER_ERROR: Final = 500


class Webhook:
    """The receiver of an `https://` URL; `http://` only on this machine. The URL can contain a secret."""

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`."""
        if not is_protected(url):
            raise BadSettings(
                "ASSESS_NOTIFY: a web address must be https:// without a user (http:// only on this machine); put a "
                "token into its path or query"
            )
        self._url = url

    @property
    def about(self) -> str:
        """Scheme and host: a path or a query can be the secret."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    def send(self, notice: NoticeText) -> None:
        """See `Notifier.send`."""
        body = msgspec.json.encode(
            {
                "id": notice.id,
                "tag": notice.tag,
                "requestId": notice.request_id,
                "status": notice.status,
                "filesUntil": None if notice.files_until is None else iso(notice.files_until),
            }
        )
        headers = {"content-type": "application/json", "idempotency-key": notice.id}
        try:
            retrying(_is_temporary, deadline_seconds=_SECONDS)(
                read_url, self._url, seconds=_SECONDS, most_bytes=_MOST_ANSWER, body=body, headers=headers
            )
        except NoAnswer as error:
            raise NotSent(f"{self.about} {error}") from None


def _is_temporary(error: BaseException) -> bool:
    return isinstance(error, NoAnswer) and (
        error.status is None or error.status == _TOO_BUSY or error.status >= _SERVER_ERROR
    )
