"""Every error this project raises on purpose; each message says what to do next.

    AssessError
      BadSettings        a setting or an option cannot be used; the message names it
      BadRequest         a question that cannot be answered as it is asked; the message names what
      BadSlice           text that does not name an archive slice
      BadTime            text or a number that is not a moment between 2000 and 2100
      BadFacts           the facts file cannot be read
      BadLog             a log file or folder cannot be read
      SliceOpen          a slice was asked to be archived before it closed
      SliceNotVerified   a clear was asked for a slice that no verification covers
      VerifyFailed       the files of the lake do not say what the manifest says
      UnknownBatch       no store knows the batch
      UnknownLearner     no summary of this learner at this assessment
      NotOurTable        a table at a path of ours was written by something else
      LakeConflict       somebody else committed first; read again and decide again
      VersionMissing     a version that a map names is in neither tier
      Unbalanced         versions, summaries and log do not say the same
      ReportFailed       a report could not be written whole; nothing was left behind
      StoreUnavailable   a store did not answer or has no room; trying again later may help
      DeadlineExceeded   an answer took too long and was given up; ask for less, or later
      Overloaded         too much is waiting to be written; trying again in some seconds helps

A bad *event* is no exception: it is a `FailedEvent`, a value with a reason (see events.py).
Shells translate once: the CLI prints the message and exits with `exit_code`, HTTP answers with `status`,
Dagster retries only what is `retryable`.
"""

from typing import ClassVar


class AssessError(Exception):
    """Whatever goes wrong on purpose; `str(error)` is a sentence for a person."""

    exit_code: ClassVar[int] = 1
    """What the command line exits with: 1 failed, 2 wrong use, 3 unknown, 4 refused, 5 try again later."""
    status: ClassVar[int] = 500
    """What HTTP answers with."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without anybody changing anything."""


class BadSettings(AssessError):
    """A setting or an option cannot be used; the message names it."""

    exit_code, status = 2, 400


class BadRequest(AssessError):
    """A question that cannot be answered as it is asked; the message names what."""

    exit_code, status = 2, 400


class BadSlice(AssessError):
    """Text that does not name an archive slice."""

    exit_code, status = 2, 400


class BadTime(AssessError):
    """Text or a number that is not a moment between 2000 and 2100."""

    exit_code, status = 2, 400


class BadFacts(AssessError):
    """The facts file cannot be read."""

    exit_code, status = 2, 400


class BadLog(AssessError):
    """A log file or folder cannot be read."""

    exit_code, status = 2, 400


class SliceOpen(AssessError):
    """A slice was asked to be archived before it closed; the message says what it waits for."""

    exit_code, status = 4, 409


class SliceNotVerified(AssessError):
    """A clear was asked for a slice that no verification covers."""

    exit_code, status = 4, 409


class VerifyFailed(AssessError):
    """The files of the lake do not say what the manifest says."""

    exit_code, status = 4, 409


class UnknownBatch(AssessError):
    """No store knows the batch."""

    exit_code, status = 3, 404


class UnknownLearner(AssessError):
    """The learner has no attempt at the assessment; the message names both."""

    exit_code, status = 3, 404


class NotOurTable(AssessError):
    """A table at a path of ours was written by something else."""

    exit_code, status = 4, 409


class LakeConflict(AssessError):
    """Somebody else committed to the lake first; read again and decide again."""

    exit_code, status, retryable = 5, 503, True


class VersionMissing(AssessError):
    """A version that a learner's map names is in neither tier: something else deleted it, or files are gone."""

    exit_code, status = 1, 500


class Unbalanced(AssessError):
    """What summaries, hot store, lake and log say of a batch does not add up; what is missing was named."""

    exit_code, status = 1, 500


class ReportFailed(AssessError):
    """A report could not be written whole; nothing was left behind."""

    exit_code, status = 1, 500


class StoreUnavailable(AssessError):
    """A store did not answer or has no room; trying again later may help."""

    exit_code, status, retryable = 5, 503, True


class DeadlineExceeded(AssessError):
    """An answer took too long and was given up; a smaller question, or trying again later, may help."""

    exit_code, status, retryable = 5, 503, True


class Overloaded(AssessError):
    """Too much is waiting to be written; nothing of this was taken, and trying again in some seconds helps."""

    exit_code, status, retryable = 5, 429, True
