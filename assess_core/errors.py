"""Every error that this project raises on purpose. Each message says what happened and what to do.

A bad *event* raises nothing: it becomes a `FailedEvent`, a value with a reason (see events.py).
The CLI prints the message and exits with `exit_code`, HTTP answers with `status`, and Dagster retries the run only if
the error is `retryable`.
"""

import errno
from collections.abc import Sequence
from typing import ClassVar, Final

EXIT_CODES: Final = {
    0: "done",
    1: "failed",
    2: "wrong use: an option, a setting or a file",
    3: "unknown batch, slice, learner or id",
    4: "refused: it would break a rule",
    5: "a store does not answer or is full, or another process was faster: try again later",
    6: "a partial report was written, as `--allow-partial` allows",
}
"""The meaning of each exit code of the command line."""


_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: OSError) -> bool:
    """Whether there is no room left for a file, so that no other name of it helps."""
    return error.errno in _FULL


class AssessError(Exception):
    """The base class of these errors; `str(error)` is a sentence for a person."""

    exit_code: ClassVar[int] = 1
    """One of `EXIT_CODES`."""
    status: ClassVar[int] = 500
    """The HTTP status."""
    action: ClassVar[str] = "do what the message says"
    """What a person does about it. The reference lists it; the message says it for the case at hand."""
    retryable: ClassVar[bool] = False
    """Whether the same call can succeed later although nothing was changed."""


class BadSettings(AssessError):
    """A setting or an option cannot be used; the message names it."""

    exit_code, status = 2, 400
    action = "correct the setting or option that the message names; `assess settings` shows its source"


class BadRequest(AssessError):
    """A request cannot be answered; the message names the wrong part."""

    exit_code, status = 2, 400
    action = "change the part that the message names"


class BadReport(AssessError):
    """A report cannot be written as it was asked for; the message has every problem."""

    exit_code, status = 2, 400
    action = "change the options that the message names"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class BadSlice(AssessError):
    """A text does not name a slice."""

    exit_code, status = 2, 400
    action = "write a slice like `'BATCH|2024-W05'`, a week like `2024-W05`"


class BadTime(AssessError):
    """A text is not a moment between 2000 and 2100, or not a duration of at most 100 years."""

    exit_code, status = 2, 400
    action = "write a moment like `2025-01-06` or `2025-01-06T00:00:00Z`, a duration like `36h`"


class BadFacts(AssessError):
    """The facts file cannot be read."""

    exit_code, status = 2, 400
    action = "correct the facts file"


class BadNames(AssessError):
    """The source of names cannot be used: it is missing, has another shape, or contradicts itself."""

    exit_code, status = 2, 500
    action = "correct the source of names that the message names, or ask for the report with `names: none`"


class BadGrants(AssessError):
    """The source of grants cannot be used: it is missing, has another shape, or grants one mentor too much."""

    exit_code, status = 2, 500
    action = "correct the table of grants that the message names"


class BadLog(AssessError):
    """A log file or folder cannot be read."""

    exit_code, status = 2, 400
    action = "check the file's name and permissions, or replace a damaged file by an intact one, and ingest again"


class BadArchives(AssessError):
    """A file or folder of old archives is missing, cannot be read, or is not an archive."""

    exit_code, status = 2, 400
    action = "name files that end in `.csv` or `.csv.gz`, or a folder that has some; check the permissions"


class Unauthenticated(AssessError):
    """A request has no valid token; the message gives the reason, and never a part of the token."""

    exit_code, status = 4, 401
    action = "send a valid token"


class Forbidden(AssessError):
    """A token is valid but does not allow this."""

    exit_code, status = 4, 403
    action = "ask for what the token allows, or use a token with another role or for that learner"


class SliceOpen(AssessError):
    """A slice that is not closed cannot be archived; the message says what it waits for."""

    exit_code, status = 4, 409
    action = "wait until the time in the message, or let `assess up` read the lines of the log that the message names"


class SliceNotVerified(AssessError):
    """A slice that was not verified cannot be cleared."""

    exit_code, status = 4, 409
    action = "`assess archive` and `assess verify` the named slices, then clear again"


class VerifyFailed(AssessError):
    """The files of the lake cannot be read or differ from the manifest."""

    exit_code, status = 4, 409
    action = "restore the lake from a backup; nothing of these slices is cleared"


class UnknownBatch(AssessError):
    """No store knows the batch, or the slice."""

    exit_code, status = 3, 404
    action = "look the batch up with `assess slices`"


class UnknownLearner(AssessError):
    """The learner has no attempt at the assessment; the message names both."""

    exit_code, status = 3, 404
    action = "look the ids up with `assess table summaries`"


class NotOurTable(AssessError):
    """An existing table or file was created by something else, or has another shape."""

    exit_code, status = 4, 409
    action = "move it away, or set `ASSESS_LAKE` or `ASSESS_HOT_STORE` to another location"


class LakeConflict(AssessError):
    """Other processes kept committing the same slices to the lake first."""

    exit_code, status, retryable = 5, 503, True
    action = "run it again"


class VersionMissing(AssessError):
    """A version that a learner's map names is in neither tier: something else deleted it, or files are missing."""

    exit_code, status = 1, 500
    action = "restore the lake or the hot store from a backup, or repair with `assess ingest --repair`"


class Unbalanced(AssessError):
    """Summaries, hot store, lake and log of a batch disagree; the differences were already reported."""

    exit_code, status = 1, 500
    action = "type the command that the balance sheet prints"


class ImportIncomplete(AssessError):
    """An import refused rows or files, which were already reported; everything else was imported."""

    exit_code, status = 4, 409
    action = "copy the named files again or correct the named rows, then import them again"


class ReportFailed(AssessError):
    """A report could not be completed; no partial file is left."""

    exit_code, status = 1, 500
    action = "name a file in a folder in which you may write"


class StoreUnavailable(AssessError):
    """A store does not answer or is full; acknowledged events are kept."""

    exit_code, status, retryable = 5, 503, True
    action = "free space, or wait for the process that holds the store, and run it again"


class OtherLake(StoreUnavailable):
    """The lake is not the one that has the hot store's cleared rows."""

    retryable = False
    action = "name the lake that was used before in ASSESS_LAKE; `assess settings` shows the one that is used now"


class DeadlineExceeded(AssessError):
    """An answer took too long and was cancelled."""

    exit_code, status, retryable = 5, 503, True
    action = "ask for less, or ask again when the stores have less to do"


class Overloaded(AssessError):
    """The queue in front of the log is full, and nothing of this request was stored."""

    exit_code, status, retryable = 5, 429, True
    action = "send the request again after the seconds in `Retry-After`"


class UnknownRequest(AssessError):
    """There is no request for a report with this tag and id."""

    exit_code, status = 3, 404
    action = "look the request up with `assess request list`; the dataset API answers 200, as Sunbird's does"


class RequestClosed(AssessError):
    """A finished request for a report cannot be changed."""

    exit_code, status = 4, 409
    action = "submit it again, or read the reason in its message"


class QueueFull(AssessError):
    """Too many requests for reports are open."""

    exit_code, status, retryable = 5, 429, True
    action = "submit it again later"


class LinkRefused(AssessError):
    """A link to a report was not made by this installation, or was changed."""

    exit_code, status = 4, 403
    action = "read the request again, and use the link unchanged"


class LinkExpired(AssessError):
    """A link to a report has expired, or the report was deleted; the message says how to get a new one."""

    exit_code, status = 3, 410
    action = "read the request again to get a new link; if its file was deleted, submit it again"


class BadTicket(AssessError):
    """A ticket cannot be read, or a text is not the id of a ticket."""

    exit_code, status = 2, 400
    action = "look the id up with `assess ticket list`; restore the named file from a copy"


class UnknownTicket(AssessError):
    """There is no ticket with this id, or it was released or has expired."""

    exit_code, status = 3, 404
    action = "look the id up with `assess ticket list`"


class TicketBroken(AssessError):
    """A report cannot be printed again with the same bytes; the message names what is missing or differs."""

    exit_code, status = 4, 409
    action = "restore the named files from a copy of the lake, or install the versions that the message names"


class BadSeal(AssessError):
    """A text is not a seal, or a character of it was changed."""

    exit_code, status = 2, 400
    action = "copy the whole line of the seal again"


class UnknownSeal(AssessError):
    """A seal is of another installation, or it does not contain what was asked for."""

    exit_code, status = 3, 404
    action = "check `ASSESS_LAKE`, or make a seal: `assess seal`"


class SealBroken(AssessError):
    """What was sealed is not as it was; the message names it."""

    exit_code, status = 1, 409
    action = "restore the table that the message names from a backup"


class BadCorrection(AssessError):
    """A correction cannot be read, has a rule that cannot be applied, or matches nothing."""

    exit_code, status = 2, 400
    action = "change the file of the correction that the message names"


class BadHold(AssessError):
    """A hold cannot be entered, or its record cannot be read."""

    exit_code, status = 2, 400
    action = "change what the message names; if a stored hold cannot be read, update this installation"


class UnknownHold(AssessError):
    """There is no hold with this id."""

    exit_code, status = 3, 404
    action = "look the id up with `assess hold list --all`"


class HoldInForce(AssessError):
    """A hold does not allow this; the message names it."""

    exit_code, status = 4, 409
    action = "wait for the end of the hold, or release it"


class UnknownCorrection(AssessError):
    """There is no correction with this id."""

    exit_code, status = 3, 404
    action = "look the id up with `assess correct list`"


class BadErasure(AssessError):
    """An order to erase a learner lacks something, or a receipt cannot be read or was changed."""

    exit_code, status = 2, 400
    action = "give the order a learner, a name and a reason; use the receipt as it was written"


class ErasureRefused(AssessError):
    """A learner cannot be erased now; the message says what to do first."""

    exit_code, status = 4, 409
    action = "do first what the message says, then erase again"


class NotErased(AssessError):
    """Something of an erased learner was found; the places were already reported."""

    exit_code, status = 1, 409
    action = "erase again"
