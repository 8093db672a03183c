"""The contract of `ports.Requests`, for every adapter."""

from pathlib import Path

import pytest

from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.moments import DAY, MINUTE
from assess_core.domain.report_jobs import (
    BatchFile,
    Job,
    after_failure,
    cancelled,
    claimed,
    day_of,
    renewed,
    resubmitted,
    with_file,
    without_files,
)
from assess_core.domain.report_notices import sent, tried
from assess_core.domain.report_queue import Charge, Queued, Usage
from assess_core.ports.requests import Place, Requests
from tests.keyspaces import Keyspace
from tests.report_requests import NOW, RULES, job


@pytest.fixture(params=["memory", "sqlite", "cassandra"])
def requests(request: pytest.FixtureRequest, tmp_path: Path) -> Requests:
    """An empty store of jobs, once for every adapter."""
    if request.param == "memory":
        return MemoryRequests()
    if request.param == "cassandra":
        from assess_core.adapters.cassandra.report_requests import CassandraRequests

        keyspace: Keyspace = request.getfixturevalue("keyspace")
        return CassandraRequests(keyspace.url)
    from assess_core.adapters.sqlite.report_requests import SqliteRequests

    return SqliteRequests(f"sqlite:///{tmp_path / 'hot.sqlite'}")


def change(requests: Requests, old: Job, new: Job | None) -> Job:
    """Replace a job, which must succeed."""
    assert new is not None
    assert requests.replace(old, new)
    return new


def begun(requests: Requests, job: Job, worker: str = "w1", now: int = NOW) -> Job:
    return change(requests, job, claimed(job, worker, now, RULES))


def finished(requests: Requests, job: Job) -> Job:
    mine = begun(requests, job)
    return change(requests, mine, with_file(mine, BatchFile("b1", "a/b.csv", 3, 100), NOW, RULES))


def queued(requests: Requests) -> set[str]:
    return {entry.id for entry in requests.queue()}


def test_a_job_is_read_as_it_was_added(requests: Requests) -> None:
    added = job("b1", "b2")

    assert requests.add(added) == added
    assert requests.get(added.request.tag, added.id) == added


def test_an_unknown_job_is_none(requests: Requests) -> None:
    assert requests.get("nothing", "here") is None


def test_a_job_that_exists_is_not_added_again(requests: Requests) -> None:
    first, later = job(at=NOW), job(at=NOW + MINUTE)
    assert first.id == later.id
    requests.add(first)

    assert requests.add(later) == first
    assert requests.of_tag(first.request.tag, None, 10) == [first]
    assert requests.of_channel("in.ekstep", None, 10) == [first]
    assert [entry.created_at for entry in requests.queue()] == [NOW]


def test_of_two_changes_of_one_revision_only_the_first_is_stored(requests: Requests) -> None:
    added = requests.add(job())
    first, second = (claimed(added, worker, NOW, RULES) for worker in ("w1", "w2"))
    assert first is not None
    assert second is not None

    assert requests.replace(added, first)
    assert not requests.replace(added, second)
    assert requests.get(added.request.tag, added.id) == first


def test_the_same_change_can_be_sent_twice(requests: Requests) -> None:
    added = requests.add(job())
    mine = begun(requests, added)

    assert requests.replace(added, mine)


def test_a_worker_that_lost_its_lease_changes_nothing(requests: Requests) -> None:
    paused = begun(requests, requests.add(job()), "paused")
    other = begun(requests, paused, "other", NOW + RULES.lease)

    assert not requests.replace(paused, with_file(paused, BatchFile("b1", "late.csv", 1, 1), NOW, RULES))
    assert requests.get(other.request.tag, other.id) == other


def test_a_tag_lists_its_own_jobs_newest_first_page_by_page(requests: Requests) -> None:
    added = [requests.add(job(f"b{n}", at=NOW + n)) for n in range(5)]
    requests.add(job("b1", tag="other"))
    requests.add(job("b1", channel="other"))

    tag = added[0].request.tag
    pages = [requests.of_tag(tag, None, 2)]
    while len(pages[-1]) == 2:
        pages.append(requests.of_tag(tag, Place(pages[-1][-1].created_at, pages[-1][-1].id), 2))

    assert [job for page in pages for job in page] == added[::-1]


def test_jobs_of_the_same_moment_are_each_on_one_page(requests: Requests) -> None:
    added = {requests.add(job(f"b{n}")).id for n in range(5)}

    first = requests.of_channel("in.ekstep", None, 3)
    rest = requests.of_channel("in.ekstep", Place(first[-1].created_at, first[-1].id), 3)

    assert [len(first), len(rest)] == [3, 2]
    assert {job.id for job in (*first, *rest)} == added


def test_a_channel_lists_the_jobs_of_all_its_tags(requests: Requests) -> None:
    one, two = requests.add(job(tag="t1", at=NOW)), requests.add(job(tag="t2", at=NOW + 1))
    requests.add(job(channel="other"))

    assert requests.of_channel("in.ekstep", None, 10) == [two, one]


def test_the_queue_holds_open_jobs_with_their_state(requests: Requests) -> None:
    waiting, other = requests.add(job("b1")), requests.add(job("b2", channel="other"))
    mine = begun(requests, other)

    assert set(requests.queue()) == {
        Queued("in.ekstep", NOW, waiting.id, waiting.request.tag, 0, False),
        Queued("other", NOW, mine.id, mine.request.tag, NOW + RULES.lease, True),
    }


def test_a_finished_or_cancelled_job_leaves_the_queue(requests: Requests) -> None:
    done, stopped = finished(requests, requests.add(job("b1"))), requests.add(job("b2"))
    change(requests, stopped, cancelled(stopped, NOW, RULES))

    assert done.id != stopped.id
    assert queued(requests) == set()


def test_a_finished_job_stays_in_the_queue_until_its_notice_was_sent(requests: Requests) -> None:
    rules = RULES._replace(notices=True)
    mine = begun(requests, requests.add(job()))
    failing = change(requests, mine, after_failure(mine, "no", False, NOW, rules))

    [entry] = requests.queue()
    assert (entry.id, entry.ready_at, entry.is_notice, entry.is_processing) == (failing.id, NOW, True, False)
    assert requests.with_old_files(NOW + RULES.keep_files, 10) == [failing]
    trying = change(requests, failing, tried(failing, NOW))
    assert [each.ready_at for each in requests.queue()] == [NOW + MINUTE]
    done = change(requests, trying, sent(trying, NOW))
    assert requests.queue() == []
    assert requests.with_old_files(NOW + RULES.keep_files, 10) == [done]


def test_a_job_that_is_submitted_again_is_in_the_queue_again(requests: Requests) -> None:
    mine = begun(requests, requests.add(job()))
    failed = change(requests, mine, after_failure(mine, "no", False, NOW, RULES))
    assert queued(requests) == set()

    change(requests, failed, resubmitted(failed, NOW + 1))

    assert queued(requests) == {failed.id}
    assert requests.with_old_files(NOW + 100 * DAY, 10) == []


def test_a_renewed_lease_moves_the_moment_at_which_the_job_is_free(requests: Requests) -> None:
    mine = begun(requests, requests.add(job()))

    change(requests, mine, renewed(mine, NOW + 1000, RULES))

    assert [entry.ready_at for entry in requests.queue()] == [NOW + 1000 + RULES.lease]


def test_an_entry_of_a_finished_job_is_corrected(requests: Requests) -> None:
    added = requests.add(job())
    [entry] = requests.queue()
    done = finished(requests, added)

    requests.correct(entry, done, NOW)

    assert queued(requests) == set()
    assert requests.with_old_files(NOW + RULES.keep_files, 10) == [done]


def test_correcting_an_entry_of_an_open_job_does_not_lose_the_job(requests: Requests) -> None:
    added = requests.add(job())
    [entry] = requests.queue()

    requests.correct(entry, added, NOW)

    assert requests.queue() == [entry]


def test_usage_counts_batches_and_bytes_of_a_channel_and_a_day_once(requests: Requests) -> None:
    day = day_of(NOW)
    for charge in (
        Charge("c1", day, "j1", "", 0, 5),
        Charge("c1", day, "j1", "b1", 10, 6),
        Charge("c1", day, "j1", "b1", 10, 7),
        Charge("c1", day, "j1", "b2", 20, 8),
        Charge("c1", day + 1, "j1", "b3", 40, 9),
        Charge("c2", day, "j2", "b1", 80, 10),
    ):
        requests.charge(charge)

    assert requests.usage("c1", day) == Usage(2, 30, 8)
    assert requests.usage("nobody", day) == Usage()


def test_files_are_old_when_their_time_is_over(requests: Requests) -> None:
    done = finished(requests, requests.add(job()))
    until = NOW + RULES.keep_files
    assert done.files_until == until

    assert requests.with_old_files(until - 1, 10) == []
    assert requests.with_old_files(until, 10) == [done]


def test_deleted_files_are_not_old_again(requests: Requests) -> None:
    done = finished(requests, requests.add(job()))

    change(requests, done, without_files(done))

    assert requests.with_old_files(NOW + 100 * DAY, 10) == []


def test_a_removed_job_is_gone_from_every_list_and_the_others_stay(requests: Requests) -> None:
    gone, stays = job("b1"), job("b2")
    requests.add(gone)
    requests.add(stays)
    assert sorted(each.id for each in requests.every()) == sorted([gone.id, stays.id])

    requests.remove([gone])
    requests.remove([gone])

    assert [each.id for each in requests.every()] == [stays.id]
    assert requests.get(gone.request.tag, gone.id) is None
    assert [each.id for each in requests.of_tag(gone.request.tag, None, 9)] == [stays.id]
    assert [each.id for each in requests.of_channel(gone.request.channel, None, 9)] == [stays.id]
