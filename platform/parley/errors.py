"""Problems a person can act on.

Services raise these; each door (JSON API, OpenAI dialect, page, socket) renders them in its own shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Problem(Exception):
    """Something the caller should know, as a sentence. `extra` joins the machine-readable answer."""

    status = 400
    title = "The request could not be carried out"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: dict[str, Any] = extra


class Invalid(Problem):
    """Input that does not fit; `errors` names the sentences by field."""

    title = "Some of the input is not valid"

    def __init__(self, detail: str, *, errors: Mapping[str, Sequence[str]] | None = None, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.errors = {field: list(sentences) for field, sentences in (errors or {}).items()}
        if self.errors:
            self.extra["errors"] = self.errors


class Unauthenticated(Problem):
    status = 401
    title = "Sign in or send an API key"


class OverBudget(Problem):
    """A money limit would be exceeded; `extra` holds `scope` and `resets_at`."""

    status = 402
    title = "The budget is used up"


class Forbidden(Problem):
    status = 403
    title = "Your role does not allow this"


class NotFound(Problem):
    status = 404
    title = "Not found"


class Conflict(Problem):
    status = 409
    title = "This conflicts with the current state"


class TooLarge(Problem):
    status = 413
    title = "Too large"


class TooMany(Problem):
    """A rate limit; `extra` holds `retry_after` in seconds."""

    status = 429
    title = "Too many requests"


class Unavailable(Problem):
    status = 503
    title = "Temporarily unavailable"
