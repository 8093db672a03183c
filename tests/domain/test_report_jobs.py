"""How the status of a job changes."""

import pytest

from assess_core.domain.moments import DAY, MINUTE
from assess_core.domain.report_jobs import (
    BatchFile,
    Job,
    JobStatus,
    Rules,
    after_failure,
    cancelled,
    claimed,
    is_fresh,
    job_id,
    new_job,
    postponed,
    renewed,
    resubmitted,
    with_file,
    without_files,
)
from assess_core.errors import RequestClosed
from tests.report_requests import NOW, RULES, job, request

LATER = NOW + RULES.lease


def begun(of: Job | None = None, worker: str = "w1", now: int = NOW) -> Job:
    """A job with a lease."""
    mine = claimed(of or job("b1", "b2"), worker, now, RULES)
    assert mine is not None
    return mine


def file(batch: str = "b1", rows: int = 3) -> BatchFile:
    return BatchFile(batch, f"{batch}.csv", rows, 100)


def test_the_same_request_on_the_same_day_is_the_same_job() -> None:
    assert job_id(request("b1", "b2"), NOW) == job_id(request("b2", "b1"), NOW + DAY - 1)


@pytest.mark.parametrize(
    "other", [request("b3"), request(tag="t2"), request(channel="c2"), request(requester="board")], ids=str
)
def test_another_batch_tag_channel_or_requester_is_another_job(other: object) -> None:
    assert job_id(request(), NOW) != job_id(other, NOW)  # type: ignore[arg-type]


def test_the_same_request_on_the_next_day_is_another_job() -> None:
    assert job_id(request(), NOW) != job_id(request(), NOW + DAY)


def test_one_worker_holds_a_job_until_its_lease_expires() -> None:
    mine = begun()

    assert (mine.status, mine.tries) == (JobStatus.PROCESSING, 1)
    assert claimed(mine, "w2", LATER - 1, RULES) is None
    taken = begun(mine, "w2", LATER)
    assert taken.lease is not None
    assert (taken.lease.worker, taken.tries, taken.claims) == ("w2", 2, 2)


def test_a_renewed_lease_lasts_longer() -> None:
    assert claimed(renewed(begun(), NOW + 1000, RULES), "w2", LATER, RULES) is None


def test_a_job_is_a_success_after_its_last_batch() -> None:
    half = with_file(begun(), file("b1"), NOW, RULES)
    done = with_file(half, file("b2"), NOW + 5, RULES)

    assert (half.status, half.percent, half.batches_left) == (JobStatus.PROCESSING, 50, ("b2",))
    assert (done.status, done.percent, done.lease, done.ready_at) == (JobStatus.SUCCESS, 100, None, None)
    assert (done.completed_at, done.execution_ms) == (NOW + 5, 5)


def test_a_report_without_any_row_is_a_failure_that_says_what_to_do() -> None:
    done = with_file(begun(job("b1")), file(rows=0), NOW, RULES)

    assert (done.status, done.files) == (JobStatus.FAILED, ())
    assert done.message is not None
    assert done.message.startswith("No data found: ")


def test_an_empty_batch_among_others_is_no_failure() -> None:
    assert with_file(with_file(begun(), file(rows=0), NOW, RULES), file("b2"), NOW, RULES).status is JobStatus.SUCCESS


def test_after_a_failed_try_the_job_waits_and_keeps_its_finished_batches() -> None:
    failed = after_failure(with_file(begun(), file(), NOW, RULES), "the disk is full", True, NOW, RULES)

    assert (failed.status, failed.message, failed.lease) == (JobStatus.SUBMITTED, "the disk is full", None)
    assert claimed(failed, "w2", NOW + RULES.retry_wait - 1, RULES) is None
    again = begun(failed, "w2", NOW + RULES.retry_wait)
    assert again.batches_left == ("b2",)


def test_the_third_failed_try_is_the_last() -> None:
    now, current = NOW, job("b1")
    for _ in range(RULES.tries):
        current = after_failure(begun(current, now=now), "no", True, now, RULES)
        now += DAY

    assert (current.status, current.tries, current.message) == (JobStatus.FAILED, 3, "no")


def test_an_error_that_a_retry_cannot_help_is_final() -> None:
    assert after_failure(begun(), "no such batch", False, NOW, RULES).status is JobStatus.FAILED


def test_a_job_whose_workers_end_three_times_fails_and_does_not_end_more_workers() -> None:
    now, current = NOW, job("b1")
    for _ in range(RULES.tries):
        current = begun(current, now=now)
        now += RULES.lease

    last = claimed(current, "w4", now, RULES)

    assert last is not None
    assert (last.status, last.lease) == (JobStatus.FAILED, None)
    assert "look at the workers' log" in (last.message or "")


def test_a_postponed_job_loses_no_try() -> None:
    waiting = postponed(begun(), NOW + DAY, "tomorrow", NOW)

    assert (waiting.status, waiting.tries) == (JobStatus.SUBMITTED, 0)
    assert claimed(waiting, "w1", NOW + DAY - 1, RULES) is None


@pytest.mark.parametrize("open_job", [job(), begun()], ids=["submitted", "processing"])
def test_an_open_job_can_be_cancelled(open_job: Job) -> None:
    after = cancelled(open_job, NOW, RULES)

    assert (after.status, after.ready_at, after.lease) == (JobStatus.CANCELLED, None, None)
    assert cancelled(after, NOW + 1, RULES) == after


def test_a_finished_job_cannot_be_cancelled() -> None:
    with pytest.raises(RequestClosed, match="only an open request can be cancelled"):
        cancelled(with_file(begun(job("b1")), file(), NOW, RULES), NOW, RULES)


def test_a_job_is_fresh_while_it_is_open_and_while_its_files_exist() -> None:
    done = with_file(begun(job("b1")), file(), NOW, RULES)

    assert [is_fresh(each) for each in (job(), begun(), done)] == [True, True, True]
    failed = after_failure(begun(), "no", False, NOW, RULES)
    assert [is_fresh(each) for each in (failed, cancelled(job(), NOW, RULES), without_files(done))] == [False] * 3


def test_a_failed_job_that_is_submitted_again_has_all_tries_and_keeps_its_files() -> None:
    failed = after_failure(with_file(begun(), file(), NOW, RULES), "no", False, NOW, RULES)

    again = resubmitted(failed, NOW + MINUTE)

    assert (again.status, again.tries, again.message, again.files_until) == (JobStatus.SUBMITTED, 0, None, None)
    assert (again.submitted_at, again.created_at) == (NOW + MINUTE, NOW)
    assert begun(again, now=NOW + MINUTE).batches_left == ("b2",)


def test_the_number_of_the_lease_grows_for_ever_so_no_two_workers_share_a_folder() -> None:
    failed = after_failure(begun(), "no", False, NOW, RULES)
    assert begun(resubmitted(failed, NOW), now=NOW).claims == 2


def test_files_are_kept_for_a_week_after_the_end() -> None:
    done = with_file(begun(job("b1")), file(), NOW, RULES)

    assert done.files_until == NOW + 7 * DAY
    gone = without_files(done)
    assert (gone.files, gone.files_until, gone.status) == ((), None, JobStatus.SUCCESS)
    assert "submit the request again" in (gone.message or "")


def test_every_change_has_a_higher_revision() -> None:
    mine = begun()
    changes = [
        renewed(mine, NOW, RULES),
        with_file(mine, file(), NOW, RULES),
        after_failure(mine, "no", True, NOW, RULES),
        postponed(mine, NOW, "later", NOW),
        cancelled(mine, NOW, RULES),
    ]
    assert {change.revision for change in changes} == {mine.revision + 1}


def test_a_long_message_is_cut() -> None:
    after = after_failure(begun(), "x" * 10_000, False, NOW, Rules())
    assert len(after.message or "") < 1100


def test_a_new_job_waits_for_nothing() -> None:
    assert new_job(request(), NOW).ready_at == 0
