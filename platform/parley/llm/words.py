"""Compares words by their stems, so that "embedding" meets "embed" without a language model."""

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")  # the typographic apostrophe is what people type
_SHORTEST_STEM = 3
# Their ending belongs to the word itself.
_LOOK_INFLECTED = frozenset({"embed", "hundred", "sacred", "string", "thing", "spring", "during", "evening"})
_SUFFIXES = (
    "ations",
    "ation",
    "ings",
    "ing",
    "ions",
    "ion",
    "ments",
    "ment",
    "edly",
    "ed",
    "ly",
    "ers",
    "er",
    "able",
    "es",
    "s",
)

# Words that say how a question is asked, not what about.
STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "all",
        "also",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "back",
        "be",
        "been",
        "being",
        "both",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "done",
        "each",
        "either",
        "else",
        "ever",
        "for",
        "from",
        "get",
        "gets",
        "give",
        "go",
        "goes",
        "got",
        "had",
        "has",
        "have",
        "having",
        "he",
        "hello",
        "help",
        "her",
        "here",
        "hers",
        "hi",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "know",
        "let",
        "like",
        "many",
        "may",
        "me",
        "might",
        "more",
        "most",
        "much",
        "must",
        "my",
        "need",
        "no",
        "nor",
        "not",
        "now",
        "of",
        "off",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "ours",
        "out",
        "over",
        "own",
        "per",
        "please",
        "same",
        "say",
        "shall",
        "she",
        "should",
        "show",
        "so",
        "some",
        "something",
        "still",
        "such",
        "tell",
        "than",
        "thank",
        "thanks",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "thing",
        "things",
        "this",
        "those",
        "to",
        "too",
        "up",
        "us",
        "use",
        "used",
        "uses",
        "using",
        "very",
        "want",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "whether",
        "which",
        "while",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "work",
        "works",
        "would",
        "yes",
        "yet",
        "you",
        "your",
        "yours",
        "i'm",
        "don't",
        "doesn't",
        "can't",
        "it's",
        "what's",
        "isn't",
        "won't",
        "here's",
        "there's",
    ]
)


# What turns a sentence into its opposite.
DENIALS = frozenset(
    [
        "no",
        "not",
        "never",
        "cannot",
        "can't",
        "don't",
        "doesn't",
        "isn't",
        "aren't",
        "won't",
        "without",
        "nothing",
        "none",
        "nobody",
        "neither",
        "nor",
        "unless",
    ]
)
_PARTICLES = frozenset({"back", "down", "in", "off", "out", "up"})


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers included; parts of identifiers count as words."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """A rough English stem: embedding, embeds and embedded meet; other languages pass almost unchanged."""
    if len(word) <= _SHORTEST_STEM or not word.isalpha() or not word.isascii():
        return word
    if word.endswith(("ss", "us", "is", "eed")) or word in _LOOK_INFLECTED:
        return word
    if word.endswith("ies") and len(word) > _SHORTEST_STEM + 1:
        return word[:-3] + "y"
    for suffix in _SUFFIXES:
        rest = word[: -len(suffix)]
        if word.endswith(suffix) and len(rest) >= _SHORTEST_STEM and any(vowel in rest for vowel in "aeiouy"):
            return _without_tail(rest)
    return _without_tail(word)


def _without_tail(rest: str) -> str:
    if len(rest) > _SHORTEST_STEM and rest[-1] == rest[-2] and rest[-1] not in "lsz":
        return rest[:-1]
    return rest[:-1] if rest.endswith("e") and len(rest) > _SHORTEST_STEM else rest


@lru_cache(maxsize=16_384)
def _stem_of_content(word: str) -> str:
    return "" if word in STOP_WORDS else stem(word)


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order, with repetitions.

    "back up", "sign-in" and "roll back" also give "backup", "signin" and "rollback", as others write them.
    """
    stems: list[str] = []
    before = ""
    for word in words(text):
        if word in _PARTICLES and before and (before not in STOP_WORDS or before == "back"):
            stems.append(stem(before + word))
        if meaning := _stem_of_content(word):
            stems.append(meaning)
        before = word
    return stems
