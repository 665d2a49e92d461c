"""One error for every way a provider can fail, with a sentence that a person can act on."""

from typing import Literal

LlmErrorKind = Literal[
    "unreachable",
    "timeout",
    "rate_limited",
    "authentication",
    "context_overflow",
    "refused",
    "bad_response",
    "not_found",
]

# Worth trying again, or worth trying on the next model of a route: the request itself was not at fault.
_RETRYABLE: frozenset[LlmErrorKind] = frozenset({"unreachable", "timeout", "rate_limited", "bad_response"})


class LlmError(Exception):
    """A model call failed. `kind` is for code, `sentence` for people, `retry_after` is in seconds.

    Never carries a key, a prompt or a provider's raw body.
    """

    def __init__(self, kind: LlmErrorKind, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.kind: LlmErrorKind = kind
        self.sentence = sentence
        self.retry_after = retry_after

    @property
    def is_retryable(self) -> bool:
        """True when the same request may succeed later or elsewhere."""
        return self.kind in _RETRYABLE

    def __repr__(self) -> str:
        return f"LlmError(kind={self.kind!r}, sentence={self.sentence!r}, retry_after={self.retry_after!r})"
