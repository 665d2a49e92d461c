"""What can go wrong with an address somebody named, as sentences for that person."""

from __future__ import annotations

from typing import Any, Literal

from parley.errors import Invalid, Problem

FailureReason = Literal["unreachable", "timeout", "too_large", "content_type", "encoding", "redirects"]


class EgressRefused(Invalid):
    """Parley does not call this address; trying again changes nothing. No connection was made to it."""

    title = "This address is not allowed"


class EgressFailed(Problem):
    """The address may be called, but the answer did not come or does not fit; `reason` names the kind."""

    status = 502
    title = "The address did not answer as expected"

    def __init__(self, detail: str, *, reason: FailureReason, **extra: Any) -> None:
        super().__init__(detail, reason=reason, **extra)
        self.reason = reason
