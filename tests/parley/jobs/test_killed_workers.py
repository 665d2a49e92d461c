"""Workers that are killed, poisoned and told to go: every job comes to its end, and once.

Sized for the suite; `make bench ONLY=jobs` runs the full sizes of C-01, C-02 and C-06.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo

from tests.parley.jobs.workers import Workers, killing_every, until
from tests.services import TEMPLATE_DATABASE, TestServices

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.timeout(240)]

LEASE = 2


@pytest.fixture(scope="module")
def workers(test_services: TestServices, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    name = f"parley_jobs_{worker_id}"
    test_services.create_database(name, template=TEMPLATE_DATABASE)
    environment = test_services.environment(name)
    environment |= {"PARLEY_JOB_LEASE_SECONDS": str(LEASE), "PARLEY_JOB_MAX_MEMORY_MB": "400"}
    workers = Workers(
        admin_url=make_conninfo(test_services.admin_url, dbname=name),
        valkey_url=test_services.valkey_url.rsplit("/", 1)[0] + "/12",
        environment=environment,
        folder=tmp_path_factory.mktemp("workers"),
    )
    try:
        workers.start_beat()
        workers.start("one", slots=2)
        yield workers
    finally:
        workers.stop()


@pytest.fixture(autouse=True)
def _empty(workers: Workers) -> None:
    workers.execute("DELETE FROM jobs_job")
    workers.execute("DELETE FROM effect")


def test_what_was_committed_but_never_announced_runs_within_ten_seconds(workers: Workers) -> None:
    """C-03."""
    workers.submit("tests.effect", workers.tenant())
    until(lambda: workers.execute("SELECT 1 FROM jobs_job WHERE state = 'done'"), within=120)  # workers still start
    workers.submit("tests.effect", workers.tenant())
    workers.until_ended(within=10)
    assert workers.count() == {"done": 2}


def test_killed_workers_and_a_forgetful_broker_lose_nothing_and_double_nothing(workers: Workers) -> None:
    """C-01, C-02: random kills all along and one flush: each effect is there, each once."""
    for _ in range(3):
        workers.submit("tests.effect", workers.tenant(), count=30, ms=120)
    # Kills that hit workers which are still starting prove nothing.
    until(lambda: workers.execute("SELECT 1 FROM effect"), within=120)
    with killing_every(1.5, workers, random.Random(1), most=12) as kills:
        until(lambda: workers.execute("SELECT 1 FROM effect HAVING count(*) > 35"), within=90)
        workers.flush()
        assert workers.until_ended(within=90) == {"done": 90}
    assert len(kills) >= 2
    assert workers.execute("SELECT count(*), count(DISTINCT job_id) FROM effect") == [(90, 90)]
    taken_over = workers.execute("SELECT count(*) FROM jobs_job WHERE attempt > 1")
    assert taken_over[0][0] >= 1, "nobody was killed at work, so nothing was proven"


def test_poison_ends_after_three_tries_and_the_good_ones_finish(workers: Workers) -> None:
    """C-05: a segmentation fault, an eater of memory and an endless loop among good jobs."""
    tenant = workers.tenant()
    for kind in ("tests.segfault", "tests.hog", "tests.loop"):
        workers.submit(kind, tenant, max_tries=3)
    workers.submit("tests.effect", tenant, count=60, ms=20)
    assert workers.until_ended(within=120, kind="tests.effect") == {"done": 60}
    workers.until_ended(within=60)
    ended = dict(workers.execute("SELECT kind, (state, attempt <= 3, last_error) FROM jobs_job WHERE state <> 'done'"))
    assert ended.keys() == {"tests.segfault", "tests.hog", "tests.loop"}
    assert ended["tests.segfault"][:2] == ("dead", "t")
    assert "ended without a word" in ended["tests.segfault"][2]
    assert ended["tests.hog"][:2] == ("dead", "t")
    assert "400 MB" in ended["tests.hog"][2]
    assert ended["tests.loop"][:2] == ("dead", "t")
    assert "longer than 1 second" in ended["tests.loop"][2]
    until(lambda: len(workers.children()) == 2, within=20)


def test_a_newcomer_is_next_though_long_jobs_hold_every_slot(workers: Workers) -> None:
    """C-06: runs that can go on later make room, and go on later."""
    many, one = workers.tenant(), workers.tenant()
    workers.submit("tests.long", many, count=3, ms=60_000, max_tries=1)
    until(lambda: workers.execute("SELECT 1 FROM jobs_job WHERE state = 'running' HAVING count(*) = 2"), within=30)
    workers.submit("tests.effect", one)
    waited = "SELECT extract(epoch FROM started_at - created_at) FROM jobs_job WHERE tenant_id = %s AND state = 'done'"
    ((seconds,),) = until(lambda: workers.execute(waited, one), within=40)
    assert seconds <= 20
    workers.execute("UPDATE jobs_job SET state = 'cancelled', lease_until = NULL WHERE state IN ('queued', 'running')")
    assert not workers.execute("SELECT 1 FROM jobs_job WHERE tries > 1"), "to make room is no failure"


def test_a_worker_that_is_told_to_end_hands_its_work_back(workers: Workers) -> None:
    """C-10: nothing lost, gone within a minute, and the next worker goes on."""
    tenant = workers.tenant()
    workers.submit("tests.long", tenant, ms=15_000, max_tries=1)
    workers.submit("tests.effect", tenant, count=3, ms=300)
    until(lambda: workers.execute("SELECT 1 FROM jobs_job WHERE state = 'running' AND done_units > 0"), within=15)
    assert workers.end("one", within=60) < 60
    (row,) = workers.execute("SELECT state, tries, attempt FROM jobs_job WHERE kind = 'tests.long'")
    assert row == ("queued", 0, 1)
    workers.execute("UPDATE jobs_job SET arguments = '{\"ms\": 100}' WHERE kind = 'tests.long'")
    workers.start("one", slots=2)
    assert workers.until_ended(within=40) == {"done": 4}
    assert workers.execute("SELECT count(*), count(DISTINCT job_id) FROM effect") == [(4, 4)]
