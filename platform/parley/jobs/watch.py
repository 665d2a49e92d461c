"""Watches over a run from a thread beside it: renews the lease, and ends what takes too long or too much memory."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from django.conf import settings

from parley.jobs import drain
from parley.jobs.claims import Claim
from parley.jobs.enums import JobState
from parley.jobs.heartbeat import beating
from parley.jobs.leases import BEAT_SECONDS, LEASE, lease_end
from parley.jobs.models import Job
from parley.jobs.outcomes import TimedOut
from parley.jobs.transitions import backoff, bury, hand_back, requeue
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

# How often it looks at time and memory.
LOOK_SECONDS = min(0.5, BEAT_SECONDS)
# A run that ignores the exception is ended with its process this much later.
GRACE_SECONDS = 10.0
# A worker that is to end waits this long for a run before handing its job back.
DRAIN_SECONDS = 40.0
_TOO_MUCH_MEMORY = "This needed more than {limit} MB of memory and was stopped."
_TOO_LONG = "This took longer than {seconds:.0f} seconds, could not be interrupted, and its process was ended."


@dataclass(slots=True)
class _Watch:
    """One run under watch. `beat` is called every few seconds and says whether to go on watching."""

    claim: Claim
    seconds: float
    started: float
    renewed: float

    def beat(self) -> bool:
        if self._megabytes() > settings.PARLEY_JOB_MAX_MEMORY_MB:
            self._end_process(_TOO_MUCH_MEMORY.format(limit=settings.PARLEY_JOB_MAX_MEMORY_MB), "too much memory")
        if monotonic() - self.started > self.seconds + GRACE_SECONDS:
            self._end_process(_TOO_LONG.format(seconds=self.seconds), "took too long")
        if drain.asked_for() > DRAIN_SECONDS:
            self._end_process("", "")
        return self.renew()

    def renew(self) -> bool:
        """Keep the lease, when it is time to; False when the job is no longer this run's."""
        if monotonic() - self.renewed < BEAT_SECONDS:
            return True
        self.renewed = monotonic()
        with tenant_tx():
            return bool(self._mine().update(lease_until=lease_end(LEASE)))

    def _mine(self) -> Any:
        return Job.objects.filter(id=self.claim.job_id, attempt=self.claim.attempt, state=JobState.RUNNING)

    def _end_process(self, sentence: str, signature: str) -> None:
        """Write down why, then end this process: nothing gentler reaches a run that does not listen."""
        log.warning("job.process_ended", reason=signature or "drained")
        try:
            with tenant_tx():
                row = self._mine().first()
                if row is not None and not signature:
                    hand_back(row)
                elif row is not None and (row.crash_signature == signature or row.tries >= row.max_tries):
                    bury(row, sentence=sentence, signature=signature)
                elif row is not None:
                    requeue(row, sentence=sentence, signature=signature, after=backoff(row.tries))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def _megabytes() -> float:
        """Resident memory of this process; 0 where the system does not tell."""
        try:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def watched(claim: Claim, *, seconds: float, owns_process: bool) -> Iterator[None]:
    """Run a block under watch.

    With `owns_process` it raises `TimedOut` inside the block after `seconds` (in the main thread), and what does not
    listen is ended with its process; otherwise only the lease is kept.
    """
    now = monotonic()
    watch = _Watch(claim, seconds, now, now)
    with (
        _alarm(seconds if owns_process else None),
        beating(watch.beat if owns_process else watch.renew, every_seconds=LOOK_SECONDS),
    ):
        yield


@contextmanager
def _alarm(seconds: float | None) -> Iterator[None]:
    """Raise `TimedOut` in the main thread when the time is up; elsewhere only the watch's own limit holds."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*unused: object) -> None:
        raise TimedOut

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
