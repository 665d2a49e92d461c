"""Text to words: prose, codes and names, and scripts that write no spaces.

Pure and the same for passages and questions. What a language makes of a word (its stem, its stop words) is
PostgreSQL's to say: see `languages`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

MAX_WORD_CHARS = 64
MAX_PARTS = 12

# Scripts without spaces between words, and Hangul, whose endings are glued on: cut into pairs of characters.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
# Accents and vowel signs, which belong to the letter before them; the Indic blocks whole.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u0655\u0900-\u0dff"
_LETTER = rf"(?:[^\W_{_UNSPACED}]|[{_MARKS}])"
# A run of letters and digits, or several held together as in ERR-4012, snake_case, a.dotted.path, C++ and C#.
_TOKEN = re.compile(rf"{_LETTER}+(?:(?:::|://|[._\-/:@\\]){_LETTER}+)*(?:\+\+|#(?!\w))?|[{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_SEPARATORS = re.compile(rf"[^\w{_MARKS}]+|_+")
# camelCase, HTTPServer, ERR4012; a single letter or digit stays with its neighbour (v2, mp3, x86 as written).
_HUMPS = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])|(?<=[^\W\d_]{2})(?=\d\d)")


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a text, in lower case.

    `parts` are the words inside a code or name, in order; empty for an ordinary word. `joined` is such a name
    without what holds it together, so that `snake_case` and `snakeCase` meet; empty when it is the text itself.
    """

    text: str
    parts: tuple[str, ...] = ()
    joined: str = ""

    @property
    def is_code(self) -> bool:
        """Whether it is looked up as written: no language has a stem for it."""
        return bool(self.parts) or (not self.text.isalpha() and any(map(str.isdigit, self.text)))


def tokenize(text: str) -> Iterator[Token]:
    """The words of a text in reading order. Scripts without spaces give overlapping pairs of characters."""
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text)):
        written = match.group()
        if _IS_UNSPACED.match(written):
            yield from _pairs(written)
        else:
            token = _token(written)
            if token is not None:
                yield token


def _pairs(run: str) -> Iterator[Token]:
    if len(run) == 1:
        yield Token(run)
    for first, second in pairwise(run):
        yield Token(first + second)


@lru_cache(maxsize=65_536)
def _token(written: str) -> Token | None:
    parts = [part.lower() for piece in _SEPARATORS.split(written) for part in _HUMPS.split(piece) if part]
    text = written.lower()
    if len(parts) <= 1:
        return Token(text[:MAX_WORD_CHARS]) if parts else None
    joined = "".join(parts)
    kept = tuple(part[:MAX_WORD_CHARS] for part in dict.fromkeys(parts))[:MAX_PARTS]
    # A long path is found by its parts; nobody asks for it letter by letter.
    return Token(
        text=text[:MAX_WORD_CHARS],
        parts=kept,
        joined=joined if joined != text and len(joined) <= MAX_WORD_CHARS else "",
    )
