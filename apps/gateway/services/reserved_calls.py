"""A call of a model that answers at once, paid like any other: reserved before, settled after (B-10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from apps.gateway import contracts
from apps.gateway.routing import failures
from apps.gateway.services import holds
from parley.db import uuid7
from parley.llm import LlmError, Usage
from parley.tenancy import tenant_tx


class HasUsage(Protocol):
    """A result that says what it cost."""

    @property
    def usage(self) -> Usage: ...


Result = TypeVar("Result", bound=HasUsage)


def call_reserved(
    call: Callable[[], Result], *, purpose: contracts.Purpose, choice: contracts.ModelChoice, input_tokens: int
) -> Result:
    """The result of `call`, which reads so many tokens and writes none. Opens its own transactions.

    Raises `OverBudget`, `Invalid` (no price), and what `call` raises: `LlmError`, paid for unless it cost nothing.
    """
    call_id = uuid7()
    with tenant_tx():
        holds.reserve(call_id=call_id, purpose=purpose, choice=choice, input_tokens=input_tokens, max_output_tokens=0)
    try:
        result = call()
    except LlmError as error:
        with tenant_tx():
            if failures.is_free(error):
                holds.release(call_id=call_id)
            else:
                holds.settle_interrupted(call_id=call_id, text="")
        raise
    with tenant_tx():
        holds.settle(call_id=call_id, usage=result.usage)
    return result
