"""One run: asks the assistant, gives its words to readers as they come, and always reaches an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.assistants.contracts import Finished, ModelChosen, Retrieved, SentenceChecked, TextDelta
from apps.assistants.runtime import respond
from apps.conversations import frames, presentation
from apps.conversations.enums import GenerationStatus
from apps.conversations.selectors import FAILED_SENTENCE, INTERRUPTED_SENTENCE
from apps.conversations.services import generations
from apps.conversations.services.generations import LEASE_SECONDS, Outcome, Progress
from apps.conversations.services.jobs import Job
from apps.conversations.services.searched import record_searched
from apps.gateway.contracts import FailedCall
from apps.gateway.services.completions import CallsFailed
from parley.db.threads import in_thread
from parley.errors import Problem
from parley.realtime import Hub, Snapshot

log = structlog.get_logger(__name__)

# After the first words, later ones travel together: at most this long, or this many characters.
COALESCE_SECONDS = 0.05
COALESCE_CHARACTERS = 512
CHECKPOINT_SECONDS = 2.0
CHECKPOINT_CHARACTERS = 4096
EMPTY_SENTENCE = "The model answered with nothing. Try again, or choose another model."
# The database may restart while an answer ends.
_WRITE_AGAIN_AFTER = (0.2, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0)


class Run:
    """One attempt at one generation. `cancel` and `interrupt` end it early, with what was written kept."""

    def __init__(self, job: Job, hub: Hub) -> None:
        self.job = job
        self.is_lost = False
        self._loop = asyncio.get_running_loop()
        self._writer = hub.open(
            frames.stream_key(job.generation_id), attempt=job.attempt, after=job.after, snapshot=self._snapshot
        )
        self._said: list[str] = []
        self._length = 0
        self._buffer: list[str] = []
        self._buffered = 0
        self._timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._first_text_at: datetime | None = None
        self._call: ModelChosen | None = None
        # How much was said before that call.
        self._call_began_at = 0
        self._retrieved: Retrieved | None = None
        self._checks: list[SentenceChecked] = []
        self._is_hold_used = False
        self._lease_ends_at = time.monotonic() + LEASE_SECONDS
        self._saved_at = time.monotonic()
        self._saved_length = 0
        self._ended_early: GenerationStatus | None = None
        self._pump: asyncio.Task[Outcome] | None = None

    # -- what others ask of it ------------------------------------------------------------------------
    def cancel(self) -> None:
        """Somebody pressed stop."""
        self._end_early(GenerationStatus.CANCELLED)

    def interrupt(self) -> None:
        """The process has to end."""
        self._end_early(GenerationStatus.INTERRUPTED)

    def lose(self) -> None:
        """Another attempt has taken over: say and write nothing any more."""
        self.is_lost = True
        if self._pump is not None:
            self._pump.cancel()

    @property
    def needs_checkpoint(self) -> bool:
        """Whether the rows are too far behind, or the lease is."""
        return (
            time.monotonic() - self._saved_at >= CHECKPOINT_SECONDS
            or self._length - self._saved_length >= CHECKPOINT_CHARACTERS
        )

    def progress(self) -> Progress:
        """What a checkpoint stores."""
        return Progress(
            generation_id=self.job.generation_id,
            attempt=self.job.attempt,
            seq=self._writer.seq,
            text="".join(self._said),
            call_id=self._call.call_id if self._call else None,
        )

    def saved(self, progress: Progress, asked_at: float) -> None:
        """A checkpoint was written; the lease counts from when it was asked for."""
        self._saved_at = asked_at
        self._saved_length = len(progress.text)
        self._lease_ends_at = asked_at + LEASE_SECONDS

    # -- the run --------------------------------------------------------------------------------------
    async def perform(self) -> None:
        """From the first event to the closing one. Never raises for what a model or a database does."""
        self._emit("started", message_id=str(self.job.message_id), question_id=str(self.job.question_id))
        outcome = await self._outcome()
        is_stored = False
        try:
            if outcome is not None and not self._is_overtaken():
                is_stored = await self._close(outcome)
        finally:
            self._writer.close()
        if outcome is not None and is_stored:
            await record_searched(self.job, self._retrieved, outcome)

    async def _outcome(self) -> Outcome | None:
        if self._ended_early is None:
            self._pump = asyncio.create_task(self._answer())
            try:
                return await self._pump
            except asyncio.CancelledError:
                if self.is_lost:
                    return None
                if self._ended_early is None:
                    raise
            except Problem as problem:
                return self._failure(problem.detail, failed=problem.calls if isinstance(problem, CallsFailed) else ())
            except Exception:
                log.exception("generation.failed", generation_id=str(self.job.generation_id))
                return self._failure(FAILED_SENTENCE, is_settled=False)
        return self._stopped(self._ended_early or GenerationStatus.CANCELLED)

    async def _answer(self) -> Outcome:
        job = self.job
        events = respond(
            version=job.spec,
            question=job.question,
            history=job.history,
            route=job.route,
            hold=job.hold,
            conversation_id=job.conversation_id,
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TextDelta):
                    self._say(event.text)
                elif isinstance(event, ModelChosen):
                    self._call, self._call_began_at = event, self._length + self._buffered
                    self._is_hold_used = True
                elif isinstance(event, Retrieved):
                    self._retrieved = event
                    self._emit("retrieved", sources=_listed(event))
                elif isinstance(event, SentenceChecked):
                    self._flush()
                    self._checks.append(event)
                    self._emit("checked", **presentation.check_dict(event))
                else:
                    return self._completion(event)
        return self._failure(FAILED_SENTENCE, is_settled=False)

    def _completion(self, event: Finished) -> Outcome:
        self._flush()
        text = "".join(self._said)
        if not text.strip():
            return self._failure(
                "The model answered with nothing. Try again, or choose another model.", is_settled=False
            )
        return Outcome(
            GenerationStatus.COMPLETED,
            text,
            self._writer.seq + 1,
            citations=event.citations,
            checks=event.checks,
            call_id=event.call_id,
            unused_call_id=self._unused_call_id() if event.call_id is None else None,
            usage=event.usage,
            choice=event.choice,
            failed=self._call.failed if self._call else (),
            route_reason=self.job.route.reason,
            first_text_at=self._first_text_at,
        )

    def _failure(self, sentence: str, *, is_settled: bool = True, failed: Sequence[FailedCall] = ()) -> Outcome:
        """`is_settled`: the gateway has closed the call that failed, as it does for its own problems."""
        outcome = self._outcome_so_far(GenerationStatus.FAILED, sentence, is_settled=is_settled)
        return replace(outcome, failed=failed) if failed else outcome

    def _stopped(self, status: GenerationStatus) -> Outcome:
        sentence = INTERRUPTED_SENTENCE if status == GenerationStatus.INTERRUPTED else ""
        return self._outcome_so_far(status, sentence, is_settled=False)

    def _outcome_so_far(self, status: GenerationStatus, sentence: str, *, is_settled: bool) -> Outcome:
        self._flush()
        text = "".join(self._said)
        return Outcome(
            status,
            text,
            self._writer.seq + 1,
            error=sentence,
            checks=self._checks,
            call_id=self._call.call_id if self._call else None,
            unused_call_id=self._unused_call_id(),
            choice=self._call.choice if self._call else None,
            call_text=text[self._call_began_at :],
            failed=self._call.failed if self._call else (),
            route_reason=self.job.route.reason,
            is_settled=is_settled,
            first_text_at=self._first_text_at,
        )

    def _unused_call_id(self) -> UUID | None:
        return self.job.hold.call_id if self.job.hold is not None and not self._is_hold_used else None

    async def _close(self, outcome: Outcome) -> bool:
        """Whether this attempt wrote the end: one that was overtaken does not, nor does one without a database."""
        for pause in (*_WRITE_AGAIN_AFTER, None):
            try:
                closing = await in_thread(
                    generations.finish,
                    generation_id=self.job.generation_id,
                    attempt=self.job.attempt,
                    outcome=outcome,
                )
            except (OperationalError, InterfaceError) as error:
                if pause is None:
                    log.error("generation.left_open", generation_id=str(self.job.generation_id), error=str(error)[:200])
                    return False
                await asyncio.sleep(pause)
            else:
                if closing is not None:
                    self._writer.append(closing, is_last=True)
                return closing is not None
        return False

    # -- words ----------------------------------------------------------------------------------------
    def _say(self, text: str) -> None:
        text = frames.clean(text)
        self._buffer.append(text)
        self._buffered += len(text)
        waited = self._loop.time() - self._flushed_at
        if waited >= COALESCE_SECONDS or self._buffered >= COALESCE_CHARACTERS:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(COALESCE_SECONDS - waited, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._buffer or self._is_overtaken():
            return
        text = "".join(self._buffer)
        self._buffer, self._buffered = [], 0
        self._said.append(text)
        self._length += len(text)
        self._flushed_at = self._loop.time()
        if self._first_text_at is None:
            self._first_text_at = timezone.now()
        self._writer.append(frames.delta(self.job.generation_id, self._writer.seq + 1, text))

    def _emit(self, kind: str, **data: object) -> None:
        if not self._is_overtaken():
            self._writer.append(frames.frame(kind, self.job.generation_id, self._writer.seq + 1, **data))

    def _snapshot(self) -> Snapshot:
        return frames.snapshot(self.job.generation_id, self._writer.seq, "".join(self._said), status="running")

    # -- ends -----------------------------------------------------------------------------------------
    def _is_overtaken(self) -> bool:
        """A process that slept past its lease must not speak: another may have taken over."""
        if not self.is_lost and time.monotonic() > self._lease_ends_at:
            log.warning("generation.lease_lost", generation_id=str(self.job.generation_id))
            self.lose()
        return self.is_lost

    def _end_early(self, status: GenerationStatus) -> None:
        if self._ended_early is None:
            self._ended_early = status
            if self._pump is not None:
                self._pump.cancel()


def _listed(event: Retrieved) -> list[dict[str, object]]:
    return [
        {
            "number": source.number,
            "title": source.title,
            "location": source.location,
            "url": source.url,
            "chunk_id": str(source.chunk_id),
            "document_id": str(source.document_id),
            "text": source.text,
        }
        for source in event.sources
    ]
