"""Where notices about finished requests are sent."""

from typing import Protocol

from assess_core.domain.report_notices import NoticeText


class NotSent(Exception):
    """A notice was not sent. The message says why, and has no secret."""


class Notifier(Protocol):
    """Sends notices to one place."""

    @property
    def about(self) -> str:
        """The place, without secrets."""
        ...

    def send(self, notice: NoticeText) -> None:
        """Send a notice; tries again for some seconds. Raises `NotSent`."""
        ...
