"""What the fake provider remembers of each call, so that tests can assert on it and benchmarks can time it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """One request as the provider saw it. Instants are `time.monotonic()`, one clock for all processes of a machine."""

    path: str
    model: str
    body: dict[str, Any]
    has_key: bool
    received_at: float
    first_token_at: float | None = None
    ended_at: float | None = None
    sent_tokens: int = 0
    input_tokens: int = 0
    # Which of several keys was sent; never part of a repr.
    api_key: str = field(default="", repr=False)
    is_complete: bool = False
    was_closed_by_client: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Everything but the body, for the statistics page."""
        return {
            "path": self.path,
            "model": self.model,
            "received_at": self.received_at,
            "first_token_at": self.first_token_at,
            "ended_at": self.ended_at,
            "sent_tokens": self.sent_tokens,
            "input_tokens": self.input_tokens,
            "is_complete": self.is_complete,
            "was_closed_by_client": self.was_closed_by_client,
        }


@dataclass(slots=True)
class Record:
    """All calls and sockets of one provider."""

    calls: list[Call] = field(default_factory=list)
    opened_sockets: int = 0
    closed_sockets: int = 0

    @property
    def open_sockets(self) -> int:
        """Sockets that clients hold right now, idle keep-alive ones included."""
        return self.opened_sockets - self.closed_sockets

    def clear(self) -> None:
        """Forget the calls; the sockets stay counted."""
        self.calls.clear()
