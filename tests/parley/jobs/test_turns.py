"""Whose turn it is, decided when a slot is free."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest

from parley.jobs import claims
from parley.jobs.enums import JobClass
from parley.jobs.models import Job
from parley.tenancy import tenant_tx
from tests.factories.tenants import make_tenant, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def tenants(count: int) -> list[uuid.UUID]:
    owner = make_user("owner@example.com")
    return [make_tenant(f"Tenant {number}", owner=owner).id for number in range(count)]


def fill(tenant_id: uuid.UUID, count: int, job_class: JobClass = JobClass.BULK) -> None:
    with tenant_tx(tenant_id):
        Job.objects.bulk_create([Job(kind="tests.note", job_class=job_class) for _ in range(count)])


def serve(slots: int, turns: int) -> list[uuid.UUID]:
    """Who is served when this many slots are always busy and the oldest run ends first."""
    running: list[claims.Claim] = []
    served = []
    for _ in range(turns):
        if len(running) == slots:
            ended = running.pop(0)
            with tenant_tx(ended.tenant_id):
                Job.objects.filter(id=ended.job_id).update(state="done", lease_until=None)
        claim = claims.claim_next("bulk")
        if claim is None:
            break
        running.append(claim)
        served.append(claim.tenant_id)
    return served


def test_the_next_free_slot_is_the_newcomers_however_long_the_queue_is() -> None:
    """C-06: ten thousand of A wait, one of B arrives: B is next."""
    a, b = tenants(2)
    fill(a, 10_000)
    assert serve(slots=2, turns=4) == [a] * 4
    fill(b, 1)
    assert serve(slots=2, turns=2) == [b, a]


def test_equal_tenants_get_equal_shares() -> None:
    """C-06: Jain's index of ten tenants with different amounts of work is 1 while all have some."""
    everybody = tenants(10)
    for number, tenant_id in enumerate(everybody):
        fill(tenant_id, 20 + 10 * number)
    shares = Counter(serve(slots=3, turns=150))
    assert sum(shares.values()) ** 2 / (10 * sum(share**2 for share in shares.values())) >= 0.99


def test_time_used_decides_between_equals() -> None:
    """A tenant of long jobs does not get as many of them as one of short jobs."""
    slow, quick = tenants(2)
    fill(slow, 20)
    fill(quick, 20)
    served = []
    for _ in range(12):
        (tenant_id,) = serve(slots=1, turns=1)
        served.append(tenant_id)
        with tenant_tx(tenant_id):
            Job.objects.filter(state="running").update(state="done", lease_until=None)
        claims.charge_time(tenant_id, 5.0 if tenant_id == slow else 1.0)
    assert served.count(quick) >= 3 * served.count(slow)


def test_alone_a_tenant_has_every_slot_and_its_own_order() -> None:
    (a,) = tenants(1)
    fill(a, 5)
    taken = [claims.claim_next("bulk") for _ in range(6)]
    assert taken[5] is None
    ids = [claim.job_id for claim in taken if claim]
    assert ids == sorted(ids)


def test_somebody_who_waits_comes_before_what_nobody_watches() -> None:
    a, b = tenants(2)
    fill(a, 3)
    fill(b, 1, JobClass.INTERACTIVE)
    assert claims.claim_next("interactive") is not None
    assert claims.claim_next("interactive") is None
    fill(b, 1, JobClass.INTERACTIVE)
    first = claims.claim_next("bulk")
    assert first is not None
    assert first.tenant_id == b


def test_a_long_run_hears_that_others_wait() -> None:
    """C-06: time slices, for runs that can go on later."""
    a, b = tenants(2)
    fill(a, 5)
    assert serve(slots=2, turns=2) == [a, a]
    assert not claims.others_wait(a, "bulk"), "its own jobs are no others"
    fill(b, 1)
    assert not claims.others_wait(a, "bulk"), "a free slot may take it within a second"
    with tenant_tx(b):
        Job.objects.update(run_after="2020-01-01T00:00:00Z")
    assert claims.others_wait(a, "bulk")
    assert serve(slots=9, turns=1) == [b]
    fill(b, 1)
    with tenant_tx(b):
        Job.objects.filter(state="queued").update(run_after="2020-01-01T00:00:00Z")
    assert claims.others_wait(a, "bulk"), "one against two"
    assert not claims.others_wait(b, "bulk")
