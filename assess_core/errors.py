"""Every error that this project raises on purpose. Each message says what happened and what to do.

    AssessError
      BadSettings        a setting or an option cannot be used
      BadRequest         a request cannot be answered
      BadReport          a report cannot be written as it was asked for
      BadSlice           a text does not name a slice
      BadTime            a text is not a valid moment or duration
      BadFacts           the facts file cannot be read
      BadGrants          the source of grants cannot be used
      BadNames           the source of names cannot be used
      BadLog             a log file or folder cannot be read
      BadArchives        a file or folder of old archives cannot be read
      Unauthenticated    a request has no valid token
      Forbidden          a token does not allow this
      SliceOpen          a slice that is not closed cannot be archived
      SliceNotVerified   a slice that was not verified cannot be cleared
      VerifyFailed       the files of the lake cannot be read or differ from the manifest
      UnknownBatch       no store knows the batch
      UnknownLearner     the learner has no attempt at the assessment
      NotOurTable        an existing table or file was created by something else
      LakeConflict       another process committed to the lake first
      VersionMissing     a version that a map names is in neither tier
      Unbalanced         summaries, tiers and log disagree
      ImportIncomplete   an import refused rows or files
      ReportFailed       a report could not be completed
      StoreUnavailable   a store does not answer or is full
      DeadlineExceeded   an answer took too long and was cancelled
      Overloaded         the queue in front of the log is full
      UnknownRequest     there is no request for a report with this tag and id
      RequestClosed      a finished request cannot be changed
      QueueFull          too many requests for reports are open
      LinkRefused        a link to a report is not valid
      LinkExpired        a link to a report, or the report itself, has expired
      BadTicket          a ticket cannot be read, or a text is not the id of a ticket
      UnknownTicket      there is no live ticket with this id
      TicketBroken       a report cannot be printed again with the same bytes
      BadSeal            a text is not a seal, or a character of it was changed
      UnknownSeal        a seal is of another installation, or does not contain a slice
      SealBroken         what was sealed is not as it was
      BadCorrection      a correction cannot be read, or matches nothing
      UnknownCorrection  there is no correction with this id
      BadHold            a hold cannot be entered or read
      UnknownHold        there is no hold with this id
      HoldInForce        a hold does not allow this
      BadErasure         an order to erase, or a receipt, cannot be used
      ErasureRefused     a learner cannot be erased now
      NotErased          something of an erased learner was found

A bad *event* raises nothing: it becomes a `FailedEvent`, a value with a reason (see events.py).
The CLI prints the message and exits with `exit_code`, HTTP answers with `status`, and Dagster retries the run only if
the error is `retryable`.
"""

from collections.abc import Sequence
from typing import ClassVar


class AssessError(Exception):
    """The base class of these errors; `str(error)` is a sentence for a person."""

    exit_code: ClassVar[int] = 1
    """The exit code of the command line: 1 failed, 2 wrong use, 3 unknown, 4 refused, 5 try again later."""
    status: ClassVar[int] = 500
    """The HTTP status."""
    retryable: ClassVar[bool] = False
    """Whether the same call can succeed later although nothing was changed."""


class BadSettings(AssessError):
    """A setting or an option cannot be used; the message names it."""

    exit_code, status = 2, 400


class BadRequest(AssessError):
    """A request cannot be answered; the message names the wrong part."""

    exit_code, status = 2, 400


class BadReport(AssessError):
    """A report cannot be written as it was asked for; the message has every problem."""

    exit_code, status = 2, 400

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class BadSlice(AssessError):
    """A text does not name a slice."""

    exit_code, status = 2, 400


class BadTime(AssessError):
    """A text is not a moment between 2000 and 2100, or not a duration of at most 100 years."""

    exit_code, status = 2, 400


class BadFacts(AssessError):
    """The facts file cannot be read."""

    exit_code, status = 2, 400


class BadNames(AssessError):
    """The source of names cannot be used: it is missing, has another shape, or contradicts itself."""

    exit_code, status = 2, 500


class BadGrants(AssessError):
    """The source of grants cannot be used: it is missing, has another shape, or grants one mentor too much."""

    exit_code, status = 2, 500


class BadLog(AssessError):
    """A log file or folder cannot be read."""

    exit_code, status = 2, 400


class BadArchives(AssessError):
    """A file or folder of old archives is missing, cannot be read, or is not an archive."""

    exit_code, status = 2, 400


class Unauthenticated(AssessError):
    """A request has no valid token; the message gives the reason, and never a part of the token."""

    exit_code, status = 4, 401


class Forbidden(AssessError):
    """A token is valid but does not allow this."""

    exit_code, status = 4, 403


class SliceOpen(AssessError):
    """A slice that is not closed cannot be archived; the message says what it waits for."""

    exit_code, status = 4, 409


class SliceNotVerified(AssessError):
    """A slice that was not verified cannot be cleared."""

    exit_code, status = 4, 409


class VerifyFailed(AssessError):
    """The files of the lake cannot be read or differ from the manifest."""

    exit_code, status = 4, 409


class UnknownBatch(AssessError):
    """No store knows the batch, or the slice."""

    exit_code, status = 3, 404


class UnknownLearner(AssessError):
    """The learner has no attempt at the assessment; the message names both."""

    exit_code, status = 3, 404


class NotOurTable(AssessError):
    """An existing table or file was created by something else, or has another shape."""

    exit_code, status = 4, 409


class LakeConflict(AssessError):
    """Another process committed to the lake first; read the lake and decide again."""

    exit_code, status, retryable = 5, 503, True


class VersionMissing(AssessError):
    """A version that a learner's map names is in neither tier: something else deleted it, or files are missing."""

    exit_code, status = 1, 500


class Unbalanced(AssessError):
    """Summaries, hot store, lake and log of a batch disagree; the differences were already reported."""

    exit_code, status = 1, 500


class ImportIncomplete(AssessError):
    """An import refused rows or files, which were already reported; everything else was imported."""

    exit_code, status = 4, 409


class ReportFailed(AssessError):
    """A report could not be completed; no partial file is left."""

    exit_code, status = 1, 500


class StoreUnavailable(AssessError):
    """A store does not answer or is full; a later retry may succeed."""

    exit_code, status, retryable = 5, 503, True


class DeadlineExceeded(AssessError):
    """An answer took too long and was cancelled; a smaller request, or a later retry, may succeed."""

    exit_code, status, retryable = 5, 503, True


class Overloaded(AssessError):
    """The queue in front of the log is full, and nothing of this request was stored; retry after a few seconds."""

    exit_code, status, retryable = 5, 429, True


class UnknownRequest(AssessError):
    """There is no request for a report with this tag and id."""

    exit_code, status = 3, 404


class RequestClosed(AssessError):
    """A finished request for a report cannot be changed."""

    exit_code, status = 4, 409


class QueueFull(AssessError):
    """Too many requests for reports are open; submit the request again later."""

    exit_code, status, retryable = 5, 429, True


class LinkRefused(AssessError):
    """A link to a report was not made by this installation, or was changed."""

    exit_code, status = 4, 403


class LinkExpired(AssessError):
    """A link to a report has expired, or the report was deleted; the message says how to get a new one."""

    exit_code, status = 3, 410


class BadTicket(AssessError):
    """A ticket cannot be read, or a text is not the id of a ticket."""

    exit_code, status = 2, 400


class UnknownTicket(AssessError):
    """There is no ticket with this id, or it was released or has expired."""

    exit_code, status = 3, 404


class TicketBroken(AssessError):
    """A report cannot be printed again with the same bytes; the message names what is missing or differs."""

    exit_code, status = 4, 409


class BadSeal(AssessError):
    """A text is not a seal, or a character of it was changed."""

    exit_code, status = 2, 400


class UnknownSeal(AssessError):
    """A seal is of another installation, or it does not contain what was asked for."""

    exit_code, status = 3, 404


class SealBroken(AssessError):
    """What was sealed is not as it was; the message names it."""

    exit_code, status = 1, 409


class BadCorrection(AssessError):
    """A correction cannot be read, has a rule that cannot be applied, or matches nothing."""

    exit_code, status = 2, 400


class BadHold(AssessError):
    """A hold cannot be entered, or its record cannot be read."""

    exit_code, status = 2, 400


class UnknownHold(AssessError):
    """There is no hold with this id."""

    exit_code, status = 3, 404


class HoldInForce(AssessError):
    """A hold does not allow this; the message names it."""

    exit_code, status = 4, 409


class UnknownCorrection(AssessError):
    """There is no correction with this id."""

    exit_code, status = 3, 404


class BadErasure(AssessError):
    """An order to erase a learner lacks something, or a receipt cannot be read or was changed."""

    exit_code, status = 2, 400


class ErasureRefused(AssessError):
    """A learner cannot be erased now; the message says what to do first."""

    exit_code, status = 4, 409


class NotErased(AssessError):
    """Something of an erased learner was found; the places were already reported."""

    exit_code, status = 1, 409
