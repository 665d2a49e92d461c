"""What a 135-million-parameter model needs to be useful: little to read, one task, and its answer checked.

Such a model reads some 200 tokens a second, obeys examples rather than instructions, echoes the question when it
knows nothing, and cites nothing. So it gets the few best sentences with the best one last, under a prefix that
never changes (its cache is kept by the server), and each of its sentences counts only where a source says the same.
"""

from collections.abc import Sequence
from typing import Final

from parley.llm.relevance import Similarity, best_sentences
from parley.llm.requests import ChatMessage, GroundingSource
from parley.llm.sentences import Piece
from parley.llm.tokens import count_tokens

# What to ask the local server for: long enough for two sentences, short enough to end a model that repeats itself.
MAX_OUTPUT_TOKENS: Final = 70
TEMPERATURE: Final = 0.0
# Where such a model starts to invent the next question.
STOP: Final = ("\n\n", "\nQuestion:", "\nText:")
SOURCE_TOKENS: Final = 160

# More sentences made more answers wrong: of the demo's 20, 3 pieces gave 11 right ones, 4 gave 9, 6 gave 7.
_MOST_PIECES = 3

_SYSTEM = "Answer the question with the facts of the text, in one or two short sentences. Copy names and numbers."
_EXAMPLES = (
    (
        "Dogs are welcome on the terrace. The café is open from 8 to 18 o'clock on weekdays.",
        "When can I come on Friday?",
        "The café is open from 8 to 18 o'clock on weekdays.",
    ),
    (
        "The light turns orange. To reset the router, hold the small button for 10 seconds, then run `router setup`.",
        "My router is broken. How do I get it back to normal?",
        "Hold the small button for 10 seconds, then run `router setup`.",
    ),
    (
        "Members may borrow up to 6 books at a time. A book may be kept for 4 weeks.",
        "How long can I have a book?",
        "A book may be kept for 4 weeks.",
    ),
)


def select_sentences(
    question: str,
    sources: Sequence[GroundingSource],
    budget_tokens: int = SOURCE_TOKENS,
    *,
    similarity: Similarity | None = None,
) -> tuple[Piece, ...]:
    """The best few pieces within the budget, best first; at least one when there is any."""
    chosen: list[Piece] = []
    spent = 0
    for entry in best_sentences(question, sources, similarity=similarity):
        size = count_tokens(entry.piece.text)
        if chosen and spent + size > budget_tokens:
            continue
        chosen.append(entry.piece)
        spent += size
        if len(chosen) == _MOST_PIECES:
            break
    return tuple(chosen)


def compose_small_prompt(question: str, sentences: Sequence[Piece]) -> tuple[ChatMessage, ...]:
    """The whole prompt: a prefix of 250 tokens that never changes, the text (best sentence last), the question."""
    messages = [ChatMessage("system", _SYSTEM)]
    for text, asked, answer in _EXAMPLES:
        messages += [ChatMessage("user", _task(text, asked)), ChatMessage("assistant", answer)]
    text = " ".join(" ".join(piece.text.split()) for piece in reversed(sentences))
    messages.append(ChatMessage("user", _task(text, question)))
    return tuple(messages)


def _task(text: str, question: str) -> str:
    return f"Text: {text}\n\nQuestion: {' '.join(question.split())}"
