"""Greetings, thanks and farewells: they need no sources, and a refusal would be rude."""

import re
from collections.abc import Sequence

from apps.assistants.contracts import VersionSpec

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")  # the typographic apostrophe is what people type
_MOST_WORDS = 6

_CORE = {
    "greeting": {
        "hi",
        "hello",
        "hey",
        "hiya",
        "greetings",
        "howdy",
        "hallo",
        "moin",
        "hola",
        "bonjour",
        "salut",
    },
    "thanks": {"thanks", "thank", "thx", "ty", "cheers", "danke", "gracias", "merci", "grazie", "obrigado"},
    "farewell": {"bye", "goodbye", "ciao", "tschüss", "adiós", "adieu"},
}
_FILLER = frozenset(
    {
        "there",
        "everyone",
        "all",
        "again",
        "you",
        "so",
        "very",
        "much",
        "a",
        "lot",
        "many",
        "good",
        "day",
        "morning",
    }
    | {
        "evening",
        "afternoon",
        "for",
        "your",
        "the",
        "help",
        "that",
        "was",
        "great",
        "nice",
        "perfect",
        "ok",
        "okay",
    }
    | {"cool", "wonderful", "yes", "and", "now", "then", "have", "see", "later", "soon", "it", "how", "are"}
    | {
        "guten",
        "tag",
        "morgen",
        "abend",
        "schön",
        "sehr",
        "viel",
        "vielen",
        "dank",
        "buenos",
        "días",
        "beaucoup",
    }
)
_PHRASES = {
    "greeting": (
        "good morning",
        "good day",
        "good evening",
        "good afternoon",
        "how are you",
        "guten tag",
        "guten morgen",
    ),
    "thanks": ("great", "perfect", "ok", "okay", "that helps", "that helped", "vielen dank"),
    "farewell": ("see you", "see you later", "have a nice day", "have a good day"),
}


def small_talk_reply(question: str, version: VersionSpec) -> str | None:
    """A polite answer when `question` is nothing but small talk, otherwise None."""
    kind = _kind_of([word.lower() for word in _WORD.findall(question)])
    if kind == "greeting":
        return version.opening_message or f"Hello! I am {version.name}. What would you like to know?"
    if kind == "thanks":
        return "You are welcome. Is there anything else you would like to know?"
    if kind == "farewell":
        return "Goodbye, and come back whenever you have a question."
    return None


def _kind_of(words: Sequence[str]) -> str | None:
    if not words or len(words) > _MOST_WORDS:
        return None
    phrase = " ".join(words)
    for kind, core in _CORE.items():
        if phrase in _PHRASES[kind]:
            return kind
        is_filled = all(word in _FILLER or word in core for word in words)
        if is_filled and any(word in core for word in words):
            return kind
    return None
