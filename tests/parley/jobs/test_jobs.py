"""What happens to a job: asked for, run, failed, tried again, given up, cancelled, paused, replayed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from parley.errors import Conflict, Forbidden, NotFound, Unavailable
from parley.jobs import control, selectors, tasks, tend
from parley.jobs.context import JobContext
from parley.jobs.models import Job
from parley.jobs.outcomes import CannotPass, MayPass
from parley.jobs.run import run_now
from parley.jobs.submit import submit
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.parley.jobs import work

pytestmark = pytest.mark.django_db(transaction=True)
Do = Callable[[JobContext], None]


def ask(tenant: TenantWithKey, **options: Any) -> uuid.UUID:
    with tenant_tx(tenant.tenant.id):
        return submit("tests.note", **options)


def row(tenant: TenantWithKey, job_id: uuid.UUID) -> Any:
    with tenant_tx(tenant.tenant.id):
        return Job.objects.get(id=job_id)


def again(tenant: TenantWithKey, job_id: uuid.UUID) -> Any:
    """The next try, without waiting for it."""
    with tenant_tx(tenant.tenant.id):
        Job.objects.filter(id=job_id, state="queued").update(run_after=timezone.now())
    run_now(job_id, tenant_id=tenant.tenant.id)
    return row(tenant, job_id)


def raising(error: Exception) -> Do:
    def do(context: JobContext) -> None:
        raise error

    return do


def test_a_job_runs_after_the_commit_for_its_tenant(tenant_a: TenantWithKey) -> None:
    subject = uuid.uuid4()
    with tenant_tx(tenant_a.tenant.id):
        job_id = submit("tests.note", subject_id=subject, arguments={"number": 7})
        assert work.seen == []
    assert work.seen == [(tenant_a.tenant.id, subject, {"number": 7}, 1)]
    done = row(tenant_a, job_id)
    assert (done.state, done.attempt, done.lease_until) == ("done", 1, None)
    assert done.finished_at is not None


def test_a_change_that_is_rolled_back_leaves_no_job(tenant_a: TenantWithKey) -> None:
    def change() -> None:
        with tenant_tx(tenant_a.tenant.id):
            submit("tests.note")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    with tenant_tx(tenant_a.tenant.id):
        assert not Job.objects.exists()
    assert work.seen == []


def test_a_key_makes_asking_twice_harmless(tenant_a: TenantWithKey, tenant_b: TenantWithKey) -> None:
    first = ask(tenant_a, idempotency_key="index:1:1")
    assert ask(tenant_a, idempotency_key="index:1:1") == first
    assert ask(tenant_b, idempotency_key="index:1:1") != first
    assert len(work.seen) == 2


def test_an_unknown_kind_is_refused_at_once(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id), pytest.raises(LookupError, match=r"tests\.nothing"):
        submit("tests.nothing")


@pytest.mark.parametrize(
    "arguments",
    [{"text": "Dear Sir or Madam"}, {"key": "a" * 81}, {"list": [1]}, {f"n{number}": number for number in range(200)}],
)
def test_arguments_are_ids_and_numbers(tenant_a: TenantWithKey, arguments: dict[str, Any]) -> None:
    """C-12: content and secrets have no way into a job."""
    with tenant_tx(tenant_a.tenant.id), pytest.raises(ValueError, match=r"tests\.note"):
        submit("tests.note", arguments=arguments)


def test_what_may_pass_is_tried_again_later_and_then_given_up(tenant_a: TenantWithKey) -> None:
    """C-05: three tries, each counted before any work, with growing distance."""
    work.behaviour["note"] = raising(MayPass("The server did not answer."))
    job_id = ask(tenant_a)
    first = row(tenant_a, job_id)
    assert (first.state, first.tries, first.last_error) == ("queued", 1, "The server did not answer.")
    assert timedelta(seconds=3) < first.run_after - timezone.now() < timedelta(seconds=6)
    assert not run_now(job_id, tenant_id=tenant_a.tenant.id), "it is not due yet"
    second = again(tenant_a, job_id)
    assert timedelta(seconds=8) < second.run_after - timezone.now() < timedelta(seconds=11)
    dead = again(tenant_a, job_id)
    assert (dead.state, dead.tries, dead.last_error) == ("dead", 3, "The server did not answer.")
    assert [state for state, _ in work.changes] == ["queued", "queued", "dead"]


@pytest.mark.parametrize("error", [CannotPass("Nobody can read this."), Forbidden("Nobody can read this.")])
def test_what_cannot_pass_is_given_up_at_once(tenant_a: TenantWithKey, error: Exception) -> None:
    work.behaviour["note"] = raising(error)
    dead = row(tenant_a, ask(tenant_a))
    assert (dead.state, dead.tries, dead.last_error) == ("dead", 1, "Nobody can read this.")
    assert work.changes == [("dead", "Nobody can read this.")]


def test_a_provider_says_when_to_come_back(tenant_a: TenantWithKey) -> None:
    work.behaviour["note"] = raising(Unavailable("Busy.", retry_after=60))
    waiting = row(tenant_a, ask(tenant_a))
    assert timedelta(seconds=55) < waiting.run_after - timezone.now() < timedelta(seconds=61)


def test_the_same_crash_twice_is_given_up(tenant_a: TenantWithKey) -> None:
    """C-05: an error of the same type at the same place would come a third time."""
    work.behaviour["note"] = raising(ZeroDivisionError())
    job_id = ask(tenant_a)
    assert row(tenant_a, job_id).state == "queued"
    dead = again(tenant_a, job_id)
    assert (dead.state, dead.tries) == ("dead", 2)
    assert "ZeroDivisionError" in dead.last_error


def test_different_crashes_have_all_their_tries(tenant_a: TenantWithKey) -> None:
    work.behaviour["note"] = raising(ZeroDivisionError())
    job_id = ask(tenant_a)
    work.behaviour["note"] = raising(KeyError())
    assert again(tenant_a, job_id).state == "queued"
    work.behaviour.clear()
    done = again(tenant_a, job_id)
    assert (done.state, done.last_error, done.crash_signature) == ("done", "", "")


def test_a_run_that_lost_its_lease_changes_nothing(tenant_a: TenantWithKey) -> None:
    """The attempt is a fencing token: the later run's end stands, whatever the earlier one does."""

    def overtaken(context: JobContext) -> None:
        with tenant_tx():
            Job.objects.filter(id=context.job_id).update(attempt=2)
        raise MayPass("The old run's own failure.")

    work.behaviour["note"] = overtaken
    kept = row(tenant_a, ask(tenant_a))
    assert (kept.state, kept.attempt, kept.last_error) == ("running", 2, "")
    assert work.changes == []


def test_an_expired_lease_is_taken_up_and_three_of_them_are_the_end(tenant_a: TenantWithKey) -> None:
    """C-01, C-05: what kills its worker without a word is counted too."""
    job_id = ask(tenant_a)
    for tries, state in ((1, "queued"), (2, "queued"), (3, "dead")):
        with tenant_tx(tenant_a.tenant.id):
            Job.objects.update(
                state="running", tries=tries, attempt=tries, lease_until=timezone.now() - timedelta(seconds=1)
            )
        assert tend.reap() == 1
        assert row(tenant_a, job_id).state == state
    assert tend.reap() == 0
    assert "killed" in row(tenant_a, job_id).last_error
    assert work.changes[-1][0] == "dead"


def test_a_busy_worker_takes_up_expired_leases_itself(tenant_a: TenantWithKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """C-01: behind a long queue the tick's message expires unheard; it may not be needed."""
    monkeypatch.setattr(tend, "_reaped_at", float("-inf"))
    monkeypatch.setattr("parley.jobs.run.take_turn", lambda job_class: 0)
    job_id = ask(tenant_a)
    for state in ("queued", "running"):  # the second look would be within two seconds
        with tenant_tx(tenant_a.tenant.id):
            Job.objects.update(state="running", tries=1, attempt=1, lease_until=timezone.now() - timedelta(seconds=1))
        tasks.work.apply(kwargs={"job_class": "bulk"}, throw=True)
        assert row(tenant_a, job_id).state == state


def test_cancelling_stops_a_run_at_its_next_checkpoint(tenant_a: TenantWithKey) -> None:
    reached = []

    def cancelled_in_the_middle(context: JobContext) -> None:
        context.progress(1, 10, "reading")
        with tenant_tx():
            control.cancel_job(job_id=context.job_id)
        context.checkpoint()
        reached.append("too far")

    work.behaviour["note"] = cancelled_in_the_middle
    job_id = ask(tenant_a)
    ended = row(tenant_a, job_id)
    assert (ended.state, ended.stage, ended.done_units, ended.total_units) == ("cancelled", "reading", 1, 10)
    assert (reached, work.changes) == ([], [("cancelled", "")])
    with tenant_tx(tenant_a.tenant.id), pytest.raises(Conflict):
        control.cancel_job(job_id=job_id)


def test_a_dead_job_is_replayed_with_all_its_tries(tenant_a: TenantWithKey, tenant_b: TenantWithKey) -> None:
    work.behaviour["note"] = raising(CannotPass("No."))
    job_id = ask(tenant_a)
    work.behaviour.clear()
    with tenant_tx(tenant_b.tenant.id), pytest.raises(NotFound):
        control.replay_job(job_id=job_id)
    with tenant_tx(tenant_a.tenant.id):
        control.replay_job(job_id=job_id)
    done = row(tenant_a, job_id)
    assert (done.state, done.tries, done.attempt) == ("done", 1, 2)
    with tenant_tx(tenant_a.tenant.id), pytest.raises(Conflict):
        control.replay_job(job_id=job_id)


def test_a_paused_group_takes_jobs_in_and_lets_them_wait(tenant_a: TenantWithKey) -> None:
    group, other = uuid.uuid4(), uuid.uuid4()
    with tenant_tx(tenant_a.tenant.id):
        assert control.pause(kind="tests.note", group_id=group) == 0
        assert selectors.paused_groups("tests.note", [group, other]) == {group}
    waiting = ask(tenant_a, group_id=group)
    ask(tenant_a, group_id=other)
    assert len(work.seen) == 1
    assert row(tenant_a, waiting).state == "paused"
    with tenant_tx(tenant_a.tenant.id):
        assert control.resume(kind="tests.note", group_id=group) == 1
    assert row(tenant_a, waiting).state == "done"
    assert [state for state, _ in work.changes] == ["queued"]


def test_pausing_stops_a_run_and_resuming_starts_it_anew(tenant_a: TenantWithKey) -> None:
    def paused_once(context: JobContext) -> None:
        if context.attempt == 1:
            with tenant_tx():
                control.pause(kind="tests.note")
            context.progress(1, 2, "half")

    work.behaviour["note"] = paused_once
    job_id = ask(tenant_a)
    assert row(tenant_a, job_id).state == "paused"
    with tenant_tx(tenant_a.tenant.id):
        control.resume(kind="tests.note")
    done = row(tenant_a, job_id)
    assert (done.state, done.attempt, done.tries) == ("done", 2, 1)


def test_the_time_left_follows_from_the_pace(tenant_a: TenantWithKey) -> None:
    now = timezone.now()
    with use_tenant(tenant_a.tenant.id):
        running = Job(state="running", stage_at=now - timedelta(seconds=30), done_units=25, total_units=100)
    assert selectors.seconds_left(running, now=now) == pytest.approx(90)
    running.done_units = 0
    assert selectors.seconds_left(running, now=now) is None
    running.state, running.done_units = "queued", 25
    assert selectors.seconds_left(running, now=now) is None


def test_ended_jobs_are_deleted_after_their_time(tenant_a: TenantWithKey) -> None:
    work.behaviour["note"] = raising(CannotPass("No."))
    dead = ask(tenant_a)
    work.behaviour.clear()
    done = ask(tenant_a)
    with tenant_tx(tenant_a.tenant.id):
        Job.objects.update(finished_at=timezone.now() - timedelta(days=4))
    assert tend.tidy() == 1
    with tenant_tx(tenant_a.tenant.id):
        assert list(Job.objects.values_list("id", flat=True)) == [dead]
    assert done != dead
