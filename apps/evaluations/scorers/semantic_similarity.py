"""Does the answer mean what is expected, in other words?"""

from __future__ import annotations

import re

from apps.evaluations.contracts import AnswerRecord, CaseSpec, Score
from apps.evaluations.scorers.base import PlainScorer, ScorerTools, SettingField, Settings
from apps.evaluations.scorers.wording import normalize

MAX_SENTENCES = 40
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_MARKERS = re.compile(r"\[\d{1,2}\]|\*+|`+")


class SemanticSimilarity(PlainScorer):
    """Cosine similarity between each fact and the closest sentence of the answer, or the whole answer."""

    kind = "semantic_similarity"
    label = "Semantic similarity"
    description = "A sentence of the answer means the same as the expected facts, by the local embedding model."
    position = 30
    fields = (
        SettingField(
            name="threshold",
            label="Passes from",
            kind="number",
            default=0.6,
            hint="0 is unrelated, 1 is the same meaning; paraphrases usually lie above 0.6.",
        ),
    )

    async def score(self, case: CaseSpec, answer: AnswerRecord, settings: Settings, tools: ScorerTools) -> Score:
        """`value` is the mean over the facts of the best cosine, negative ones counting as 0."""
        if not case.expected_facts:
            return Score.skipped("The case has no expected facts.")
        pieces = _pieces(answer.text)
        if not pieces:
            return Score(value=0.0, is_passed=False, reason="The answer is empty.")
        wordings = [wording for fact in case.expected_facts for wording in fact]
        vectors = await tools.embed([*pieces, *wordings])
        piece_vectors, wording_vectors = vectors[: len(pieces)], iter(vectors[len(pieces) :])
        closest = [_best([next(wording_vectors) for _ in fact], piece_vectors) for fact in case.expected_facts]
        value = sum(closest) / len(closest)
        threshold = float(settings["threshold"])
        return Score(
            value=value,
            is_passed=value >= threshold,
            reason=f"The closest sentences reach {value:.2f}; {threshold:.2f} is needed.",
        )


def _pieces(text: str) -> list[str]:
    """The sentences and, when there are several, the whole text: a fact may be spread over two of them."""
    plain = _MARKERS.sub("", text).strip()
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(plain) if normalize(sentence)]
    pieces = sentences[:MAX_SENTENCES]
    return [*pieces, plain] if len(pieces) > 1 else pieces


def _best(wordings: list[list[float]], pieces: list[list[float]]) -> float:
    return max(0.0, min(1.0, max(_cosine(wording, piece) for wording in wordings for piece in pieces)))


def _cosine(left: list[float], right: list[float]) -> float:
    """Dot product; the embedder's vectors have unit length."""
    return sum(a * b for a, b in zip(left, right, strict=True))


SCORER = SemanticSimilarity()
