"""Two models for one answer: the second is asked when the first stays silent, and the first to speak wins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from apps.gateway.contracts import CompletionEvent, ModelChosen
from apps.gateway.services.attempts import Attempt

# What a model may be ahead of its reader before it has to wait.
_MOST_WAITING = 256


class Race:
    """Runs one attempt, and after `seconds` without a first word another one beside it.

    `winner` is the attempt whose events were given on, or the last one that failed. The loser is cancelled and its
    call charged: the provider has read the question. `has_rival` says whether the second model was asked.
    """

    def __init__(self, first: Attempt, second: Attempt, *, seconds: float) -> None:
        self.winner = first
        self.has_rival = False
        self.rival_id = second.choice.model_id
        self._first = first
        self._second = second
        self._seconds = seconds

    async def run(self) -> AsyncGenerator[CompletionEvent]:
        """The events of the winner, from its `ModelChosen` on; none when both failed before their first word."""
        runners = [_Runner(self._first)]
        try:
            await asyncio.wait([runners[0].has_spoken], timeout=self._seconds)
            if not runners[0].has_spoken.done():
                self.has_rival = True
                runners.append(_Runner(self._second))
            winner = await _first_to_speak(runners)
            self.winner = winner.attempt
            for runner in runners:
                if runner is not winner:
                    await runner.stop()
            async for event in winner.events(self.winner):
                yield event
        finally:
            for runner in runners:
                await runner.stop()


class _Runner:
    """One attempt in a task of its own."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.has_spoken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue: asyncio.Queue[CompletionEvent | None] = asyncio.Queue(_MOST_WAITING)
        self._task = asyncio.create_task(self._pump())
        self._error: BaseException | None = None
        self._is_over = False

    async def _pump(self) -> None:
        try:
            async with aclosing(self.attempt.run()) as events:
                async for event in events:
                    await self._queue.put(event)
                    if not isinstance(event, ModelChosen):
                        self._speak(True)
        except Exception as error:  # handed to whoever reads
            self._error = error
        self._is_over = True
        self._speak(False)
        await self._queue.put(None)

    def _speak(self, is_word: bool) -> None:
        if not self.has_spoken.done():
            self.has_spoken.set_result(is_word)

    async def events(self, attempt: Attempt) -> AsyncGenerator[CompletionEvent]:
        """What the attempt says. Its latest `ModelChosen` names the calls that failed meanwhile, the loser's too."""
        while (event := await self._queue.get()) is not None:
            if isinstance(event, ModelChosen):
                others = tuple(call for call in attempt.failed if call.call_id != event.call_id)
                event = ModelChosen(event.choice, event.call_id, others, continues=event.continues)
            yield event
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        """End the task and charge the call it leaves behind. Harmless when it has ended well."""
        if not self._task.done():
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.attempt.abandon()


async def _first_to_speak(runners: list[_Runner]) -> _Runner:
    """The first runner with a word; when all fail, the last of them."""
    waiting = {runner.has_spoken: runner for runner in runners}
    last = runners[0]
    while waiting:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            last = waiting.pop(future)
            if future.result():
                return last
    return last
