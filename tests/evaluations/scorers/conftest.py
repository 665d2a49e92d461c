"""Tools that answer from a script, and a short way to score one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from apps.evaluations.contracts import AnswerRecord, CaseSpec, CitedPassage, Score, parse_facts
from apps.evaluations.scorers import clean_settings, get_scorer

Evaluate = Callable[..., Score]
DOCUMENT_ID = UUID("0192aaaa-0000-7000-8000-000000000001")


class ScriptedTools:
    """Vectors by text and judge replies in order; remembers what the judge was asked."""

    def __init__(self, vectors: dict[str, list[float]] | None = None, replies: Sequence[str] = ()) -> None:
        self.vectors = vectors or {}
        self.replies = list(replies)
        self.materials: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    async def judge(self, *, instructions: str, material: str, max_output_tokens: int) -> str:
        self.materials.append(material)
        return self.replies.pop(0)


@pytest.fixture
def evaluate() -> Evaluate:
    """Score one answer: `evaluate("contains", "answer", facts="a | b", cited=[...], tools=…)`."""

    def _evaluate(
        kind: str,
        text: str,
        *,
        facts: str = "",
        document: str = "",
        cited: Sequence[str] = (),
        tools: ScriptedTools | None = None,
        **settings: Any,
    ) -> Score:
        scorer = get_scorer(kind)
        case = CaseSpec(question="Q?", expected_facts=parse_facts(facts), expected_document=document)
        citations = tuple(
            CitedPassage(marker=number, document_id=DOCUMENT_ID, title=title, text="passage")
            for number, title in enumerate(cited, 1)
        )
        return asyncio.run(
            scorer.score(
                case,
                AnswerRecord(text=text, citations=citations),
                clean_settings(scorer, settings),
                tools or ScriptedTools(),
            )
        )

    return _evaluate
