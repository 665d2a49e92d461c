"""Turns a question into a search query that also works when it leans on the conversation. Pure."""

from collections.abc import Sequence

from apps.assistants.contracts import Turn
from parley.llm.words import content_stems, words

_SHORT = 3  # a question with fewer meaningful words says too little on its own
_LONGEST_CONTEXT = 300  # characters of the previous question
_LONGEST_QUERY = 1_500  # characters; the beginning of a very long message says what it is about

# Words that point back at something said before.
_POINTING = frozenset(
    {"it", "its", "they", "them", "their", "those", "these", "this", "that", "he", "she", "his", "her", "him"}
    | {"one", "ones", "there", "then", "same", "former", "latter", "other", "another"}
    | {"das", "dies", "diese", "dieser", "dieses", "es", "sie", "er", "dort", "ça", "cela", "eso", "esto"}
)
_OPENINGS = ("and ", "but ", "or ", "what about", "how about", "what else", "why not", "und ", "et ", "y ")


def search_query(question: str, history: Sequence[Turn]) -> str:
    """`question`, with the previous question before it when it would make little sense alone."""
    previous = _asked_before(history)
    if previous is None or not _leans_back(question):
        return question[:_LONGEST_QUERY]
    return f"{previous.strip()[:_LONGEST_CONTEXT]}\n{question[:_LONGEST_QUERY]}"


def leans_on(question: str, history: Sequence[Turn]) -> bool:
    """Whether the question makes little sense without the conversation."""
    return _asked_before(history) is not None and _leans_back(question)


def _asked_before(history: Sequence[Turn]) -> str | None:
    return next((turn.text for turn in reversed(history) if turn.role == "user" and turn.text.strip()), None)


def _leans_back(question: str) -> bool:
    said = words(question)
    meaning = content_stems(question)
    if question.lower().lstrip().startswith(_OPENINGS) or len(meaning) < _SHORT - 1:
        return True
    return len(meaning) <= _SHORT and any(word in _POINTING for word in said)
