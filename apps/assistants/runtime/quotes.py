"""Finds the sentence of a source that an answer leans on, so that a reader sees it marked. Pure."""

import re
from collections.abc import Iterable, Sequence

from apps.assistants.contracts import BoundCitation, Source
from parley.llm import GroundingSource
from parley.llm.sentences import pieces_of
from parley.llm.words import content_stems

_MARKER = re.compile(r"\[(\d{1,3})\]")
# What a marker speaks for: the words before it, back to the end of the sentence before.
_STATEMENT = re.compile(r"(?:[^.!?\n]|[.!?](?=\S))*[.!?]?\s?(?:\[\d{1,3}\]\s?)+")
_LEAST_OVERLAP = 2


def bind_citations(text: str, numbers: Iterable[int], sources: Sequence[Source]) -> tuple[BoundCitation, ...]:
    """One citation for each cited number, in the given order, bound to its source and the sentence used."""
    by_number = {source.number: source for source in sources}
    claims = _claims(text)
    return tuple(
        BoundCitation(number, by_number[number], best_quote(claims.get(number, ""), by_number[number].text))
        for number in numbers
    )


def best_quote(claim: str, passage: str) -> str | None:
    """The piece of `passage` that shares most words with `claim`; None when nothing is shared."""
    wanted = set(content_stems(claim))
    best, most = None, 0.0
    for piece in pieces_of(GroundingSource(number=1, title="", text=passage)):
        stems = set(content_stems(piece.text))
        shared = len(stems & wanted)
        score = shared * shared / (len(stems) + 1)  # share of both: a long piece contains everything a little
        if shared >= min(_LEAST_OVERLAP, len(wanted)) and score > most:
            best, most = piece.text, score
    return _as_printed(best, passage) if best else None


def _as_printed(quote: str, passage: str) -> str:
    """The quote with the passage's own line breaks, so that it can be found in there."""
    match = re.search(r"\s+".join(re.escape(word) for word in quote.split()), passage)
    return match.group() if match else quote


def _claims(text: str) -> dict[int, str]:
    claims: dict[int, str] = {}
    for statement in _STATEMENT.finditer(text):
        words = _MARKER.sub(" ", statement.group())
        for number in {int(match) for match in _MARKER.findall(statement.group())}:
            claims[number] = f"{claims.get(number, '')} {words}"
    return claims
