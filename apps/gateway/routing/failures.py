"""What a failed call means: may it be repeated, and has it cost something? Pure."""

from __future__ import annotations

import random

from parley.llm import LlmError, LlmErrorKind

# One call and two repeats, all before the first word reached anybody (safety.md §5).
MAX_ATTEMPTS = 3
_FIRST_PAUSE = 0.2
# Waiting longer than this is worse for a reader than the next model of the route.
_LONGEST_PAUSE = 2.0

# The provider turned the call away before the model read anything.
_COSTS_NOTHING: frozenset[LlmErrorKind] = frozenset(
    {"unreachable", "rate_limited", "authentication", "context_overflow", "not_found"}
)


def is_free(error: LlmError) -> bool:
    """Whether a call that failed before its first word certainly cost nothing."""
    return error.kind in _COSTS_NOTHING


def pause_before_retry(error: LlmError, attempt: int) -> float | None:
    """Seconds to wait before asking the same model again, or None to give it up.

    `attempt` counts from 1. A silent model was waited for already; asking it again would double the silence.
    """
    if not error.is_retryable or error.kind == "timeout" or attempt >= MAX_ATTEMPTS:
        return None
    pause = _FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
    if error.retry_after is not None:
        pause = max(pause, error.retry_after)
    return pause if pause <= _LONGEST_PAUSE else None


# Whoever indexes can wait for a provider's minute to be over; whoever asks cannot.
_PASSAGE_ATTEMPTS = 5
_LONGEST_PASSAGE_PAUSE = 30.0


def pause_before_embedding_again(error: LlmError, attempt: int, *, is_waited_for: bool) -> float | None:
    """Seconds to wait before embedding the same texts again, or None to give up. `attempt` counts from 1."""
    if is_waited_for:
        return pause_before_retry(error, attempt)
    if not error.is_retryable or error.kind == "timeout" or attempt >= _PASSAGE_ATTEMPTS:
        return None
    pause = _FIRST_PAUSE * 4 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
    pause = max(pause, error.retry_after or 0.0)
    return pause if pause <= _LONGEST_PASSAGE_PAUSE else None
