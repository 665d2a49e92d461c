"""The runs of one web process: started after commit, kept under lease, drained when the process ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from uuid import UUID

import structlog
from django.db import DatabaseError

from apps.conversations import frames
from apps.conversations.services import generations, sweeping
from apps.conversations.services.jobs import Job
from apps.conversations.services.runs import Run
from apps.gateway.services.spending import spending_for
from parley.db.threads import in_thread
from parley.realtime import get_hub, shut_hub
from parley.tenancy import use_tenant

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
SWEEP_SECONDS = 5.0
DRAIN_SECONDS = 20.0
# Ids only; the word is looked at by every process.
CANCEL_CHANNEL = "generations:cancel"
_CHECKPOINT_BATCH = 200

_current: GenerationRunner | None = None


class GenerationRunner:
    """Owns every run of this process. Its tasks belong to the process, never to a reader's socket."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._hub = get_hub()
        self._runs: dict[UUID, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop_listening = self._hub.listen(CANCEL_CHANNEL, self._cancel_word)
        self._keepers = [asyncio.create_task(self._keep_leases()), asyncio.create_task(self._sweep())]
        self.is_draining = False

    def start_soon(self, job: Job) -> None:
        """Start a run from any thread."""
        self._loop.call_soon_threadsafe(self.start, job)

    def start(self, job: Job) -> None:
        """Start a run. Its log is open when this returns."""
        with use_tenant(job.tenant_id), spending_for(job.spender):
            run = Run(job, self._hub)
            self._runs[job.generation_id] = run
            task = asyncio.create_task(self._perform(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, run: Run) -> None:
        job = run.job
        try:
            self._hub.announce(frames.news_key(job.conversation_id), str(job.generation_id))
            await run.perform()
        except Exception:
            log.exception("generation.crashed", generation_id=str(job.generation_id))
        finally:
            self._runs.pop(job.generation_id, None)

    def cancel_soon(self, generation_id: UUID) -> None:
        """Stop a run, here or wherever it is, from any thread."""
        self._loop.call_soon_threadsafe(self._hub.announce, CANCEL_CHANNEL, str(generation_id))

    def _cancel_word(self, word: str) -> None:
        with contextlib.suppress(ValueError):
            if run := self._runs.get(UUID(word)):
                run.cancel()

    # -- leases ---------------------------------------------------------------------------------------
    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            due: dict[UUID, list[Run]] = defaultdict(list)
            for run in self._runs.values():
                if run.needs_checkpoint:
                    due[run.job.tenant_id].append(run)
            for tenant_id, runs in due.items():
                for start in range(0, len(runs), _CHECKPOINT_BATCH):
                    await self._checkpoint(tenant_id, runs[start : start + _CHECKPOINT_BATCH])

    async def _checkpoint(self, tenant_id: UUID, runs: list[Run]) -> None:
        asked_at = time.monotonic()
        progress = [run.progress() for run in runs]
        try:
            with use_tenant(tenant_id):
                owned = await in_thread(generations.checkpoint, progress)
        except DatabaseError as error:
            log.warning("generation.checkpoint_failed", error=type(error).__name__)
            return
        for run, item in zip(runs, progress, strict=True):
            if run.job.generation_id in owned:
                run.saved(item, asked_at)
                if owned[run.job.generation_id]:
                    run.cancel()
            elif run.job.generation_id in self._runs:
                run.lose()

    # -- what nobody works on ---------------------------------------------------------------------------
    async def _sweep(self) -> None:
        while True:
            try:
                await in_thread(sweeping.close_orphans)
                for job in await in_thread(sweeping.claim_waiting):
                    self.start(job)
            except Exception:
                log.exception("generation.sweep_failed")
            await asyncio.sleep(SWEEP_SECONDS)

    # -- the end ----------------------------------------------------------------------------------------
    async def drain(self) -> None:
        """Let answers end for a while, then interrupt what is left, with its text kept (S-13)."""
        self.is_draining = True
        for keeper in self._keepers[1:]:
            keeper.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=DRAIN_SECONDS)
        for run in list(self._runs.values()):
            run.interrupt()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=5)
        for task in [*self._keepers, *self._tasks]:
            task.cancel()
        await asyncio.gather(*self._keepers, *self._tasks, return_exceptions=True)
        self._stop_listening()


async def start_runner() -> None:
    """Run generations in this process from now on."""
    global _current
    _current = GenerationRunner()


async def stop_runner() -> None:
    """Drain the runs of this process and close its connections."""
    global _current
    if _current is not None:
        await _current.drain()
        _current = None
    await shut_hub()


def is_running() -> bool:
    """Whether this process takes runs (a worker or a command does not)."""
    return _current is not None and not _current.is_draining


def start(job: Job) -> None:
    """Start a claimed run in this process."""
    if _current is not None:
        _current.start_soon(job)


def cancel(generation_id: UUID) -> None:
    """Tell every process to stop a run; the rows say so, too, for those who do not hear it."""
    if _current is not None:
        _current.cancel_soon(generation_id)
