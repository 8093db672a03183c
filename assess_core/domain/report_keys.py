"""The password of a requested zip file: kept in the job while it is open, and afterwards only as a check value."""

import hashlib
from typing import Final

import msgspec

from assess_core.domain.report_formats import Password

_COST: Final = 2**14
"""Of scrypt: 16 MiB and about 50 ms for one guess, much more than a guess at the zip file itself."""


class EncryptionKey(msgspec.Struct, frozen=True):
    """The password of a job. Its `repr` hides it."""

    text: str | None
    """None when the job is finished."""
    salt: str
    check: str
    """Tells whether a later request has the same password."""

    @classmethod
    def of(cls, password: Password, salt: str) -> "EncryptionKey":
        """The key of a new job. The salt is random."""
        return cls(password.text, salt, _check(password, salt))

    @property
    def password(self) -> Password | None:
        """The password, while the job needs it."""
        return None if self.text is None else Password(self.text)

    def matches(self, password: Password) -> bool:
        """Whether a password is the same."""
        return _check(password, self.salt) == self.check

    def without_text(self) -> "EncryptionKey":
        """The key of a finished job."""
        return msgspec.structs.replace(self, text=None)

    def __repr__(self) -> str:
        return "EncryptionKey(hidden)"


def _check(password: Password, salt: str) -> str:
    return hashlib.scrypt(password.text.encode(), salt=salt.encode(), n=_COST, r=8, p=1, dklen=16).hex()
