"""Gives scorers what they may ask for: the tenant's embeddings and judging model, through the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from apps.evaluations.scorers import ScorerFailed
from apps.gateway import selectors as gateway
from apps.gateway.contracts import ResolvedRoute
from apps.gateway.services import completions, embeddings
from parley.db import in_thread
from parley.errors import Problem
from parley.llm import ChatMessage, LlmError
from parley.tenancy import tenant_tx


class GatewayTools:
    """`ScorerTools` for the ambient tenant. Every call passes the budget; problems become `ScorerFailed`."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text."""
        try:
            return await in_thread(embeddings.embed, texts=list(texts), kind="passage")
        except Problem as problem:
            raise ScorerFailed(problem.detail) from problem
        except LlmError as problem:
            raise ScorerFailed(problem.sentence) from problem

    async def judge(self, *, instructions: str, material: str, max_output_tokens: int) -> str:
        """The judging model's text; temperature 0, so that the same answer gets the same verdict."""
        try:
            completion = await completions.complete(
                route=await in_thread(_judge_route),
                messages=(ChatMessage("system", instructions), ChatMessage("user", material)),
                max_output_tokens=max_output_tokens,
                temperature=0.0,
                purpose="judge",
            )
        except Problem as problem:
            raise ScorerFailed(problem.detail) from problem
        except LlmError as problem:
            raise ScorerFailed(problem.sentence) from problem
        return completion.text


def _judge_route() -> ResolvedRoute:
    with tenant_tx():
        return gateway.resolve_route(purpose="judge")
