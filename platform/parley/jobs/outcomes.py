"""How a run of a job may end other than well. Handlers raise the first two; the rest come out of checkpoints."""

from __future__ import annotations

from datetime import timedelta


class MayPass(Exception):
    """What went wrong may pass by itself: try again, `after` this long or with growing distance."""

    def __init__(self, sentence: str, *, after: timedelta | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.after = after


class CannotPass(Exception):
    """Trying again would end the same way; the sentence says what a person can do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Stopped(Exception):
    """This run is over; whatever it has not committed is thrown away. Let it through, never swallow it."""


class Superseded(Stopped):
    """Somebody else runs the job now, or it is gone."""


class Cancelled(Stopped):
    """A person cancelled the job."""


class Paused(Stopped):
    """A person paused the job; it goes on from its committed steps when resumed."""


class Yielded(Stopped):
    """Others wait, or the worker is to end: the job goes back into the queue with its committed steps."""


class TimedOut(Exception):
    """A run took longer than its kind may."""
