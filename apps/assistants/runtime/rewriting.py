"""Lets a model say a follow-up question so that it makes sense alone; whatever goes wrong, the rule-based query serves.

Only for questions that lean on the conversation, and only with a model that answers quickly: somebody waits, and the
answer itself is still to come.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from apps.assistants.contracts import Turn, VersionSpec
from apps.assistants.runtime.follow_up import leans_on, search_query
from apps.gateway.contracts import ResolvedRoute
from apps.gateway.services import completions
from parley.errors import Problem
from parley.llm import ChatMessage, Timeouts

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 3.0
_TIMEOUTS = Timeouts(connect=1.5, first_token=2.5, between_tokens=1.5, total=PATIENCE_SECONDS)
_LONGEST_REWRITE_TOKENS = 128
_LONGEST_REWRITE = 400  # characters; a longer one is an answer, not a question
_TURNS, _LONGEST_TURN = 4, 500
_INSTRUCTIONS = (
    "You prepare searches. Rewrite the last question so that it can be understood without the conversation: "
    "put in what its pronouns and omissions refer to, keep its language, names and numbers, add nothing else. "
    "Do not answer it. Write the question only, on one line."
)


async def standalone_query(
    *, version: VersionSpec, question: str, history: Sequence[Turn], route: ResolvedRoute
) -> str:
    """What to search for. The version's model is asked if the version wants that and the question needs it."""
    by_rule = search_query(question, history)
    choice = route.preferred
    # What runs on this machine takes longer than the answer may, and cannot be trusted with it.
    if (
        not version.rewrites_follow_ups
        or choice.is_extractive
        or choice.reads_slowly
        or not leans_on(question, history)
    ):
        return by_rule
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            completion = await completions.complete(
                route=replace(route, choices=(choice,)),
                messages=_messages(question, history),
                max_output_tokens=_LONGEST_REWRITE_TOKENS,
                temperature=0.0,
                purpose="rewrite",
                assistant_id=version.assistant_id,
                timeouts=_TIMEOUTS,
            )
    except (Problem, TimeoutError) as problem:
        log.warning("question.not_rewritten", error=type(problem).__name__)
        return by_rule
    return _as_query(completion.text) or by_rule


def _messages(question: str, history: Sequence[Turn]) -> list[ChatMessage]:
    told = [f"{turn.role}: {turn.text.strip()[:_LONGEST_TURN]}" for turn in history[-_TURNS:] if turn.text.strip()]
    conversation = "\n".join([*told, f"last question: {question[:_LONGEST_TURN]}"])
    return [ChatMessage("system", _INSTRUCTIONS), ChatMessage("user", conversation)]


def _as_query(text: str) -> str:
    """The rewritten question, or nothing when it does not look like one."""
    lines = [line.strip().strip("\"'“”").strip() for line in text.strip().splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 and len(lines[0]) <= _LONGEST_REWRITE else ""
