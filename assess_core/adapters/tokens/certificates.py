"""When the certificate of the API expires."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from assess_core.errors import BadSettings


def days_left(certificate: str) -> int:
    """The days until a certificate expires; negative if it has. Raises `BadSettings`."""
    try:
        read = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a certificate in PEM"
        raise BadSettings(f"ASSESS_API_TLS_CERT: {certificate!r}: {why}; check the path") from error
    return (read.not_valid_after_utc - datetime.now(UTC)).days
