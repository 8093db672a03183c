"""Opens the place for notices that the settings name."""

from assess_core.errors import BadSettings
from assess_core.ports.notifying import Notifier
from assess_core.settings import Settings


def open_notifier(settings: Settings) -> Notifier | None:
    """Where notices are sent; None if the settings name nothing. It does not connect. Raises `BadSettings`."""
    where = settings.notify
    if not where:
        return None
    if where.startswith(("https://", "http://")):
        from assess_core.adapters.http.webhook import Webhook

        return Webhook(where)
    if where.startswith(("smtp://", "smtps://")):
        from assess_core.adapters.smtp.mail import Mail

        return Mail(where)
    # the value is not shown: it can contain a secret
    raise BadSettings("ASSESS_NOTIFY: write https://HOST/PATH, or smtp://USER:PASSWORD@HOST/?from=ADDRESS&to=ADDRESS")
