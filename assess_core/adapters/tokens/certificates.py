"""When the certificate of the API expires."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from assess_core.adapters.files.setting_files import read_beginning
from assess_core.errors import BadSettings

_MOST_BYTES: Final = 1024**2


def days_left(certificate: str) -> int:
    """The days until a certificate expires; negative if it has. Raises `BadSettings`."""
    try:
        read = x509.load_pem_x509_certificate(read_beginning(Path(certificate), _MOST_BYTES))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a certificate in PEM"
        raise BadSettings(f"ASSESS_API_TLS_CERT: {certificate!r}: {why}; check the path") from error
    return (read.not_valid_after_utc - datetime.now(UTC)).days
