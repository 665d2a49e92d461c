"""For which failures of a model a route asks the next one. Pure."""

from __future__ import annotations

from typing import Final

from apps.gateway.contracts import FallbackReason, RoutePolicy
from parley.llm import LlmErrorKind

REASON_LABELS: Final[dict[FallbackReason, str]] = {
    "error": "it cannot be reached or answers with an error",
    "timeout": "it stays silent",
    "rate_limit": "it has had too many calls",
    "context_overflow": "the text is too long for it",
    "refusal": "it declines by its content rules",
}
_REASON_OF: Final[dict[LlmErrorKind, FallbackReason]] = {
    "unreachable": "error",
    "bad_response": "error",
    "authentication": "error",
    "not_found": "error",
    "timeout": "timeout",
    "rate_limited": "rate_limit",
    "context_overflow": "context_overflow",
    "refused": "refusal",
}


def falls_back(policy: RoutePolicy, kind: LlmErrorKind) -> bool:
    """Whether a failure of this kind leads to the next model."""
    return _REASON_OF[kind] in policy.fallback_on
