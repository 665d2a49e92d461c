"""Makes two ways of writing the same thing equal, so that a fact is found however a model prints it."""

from __future__ import annotations

import re
import unicodedata

_QUOTES_AND_DASHES = (
    dict.fromkeys((0x2018, 0x2019, 0x201A), "'")
    | dict.fromkeys((0x201C, 0x201D, 0x201E, 0xAB, 0xBB), '"')
    | dict.fromkeys((*range(0x2010, 0x2015), 0x2212), "-")
)
_SPACES = re.compile(r"\s+")
_MARKDOWN_MARKS = re.compile(r"\*+|`+|~~+|\[\d{1,2}\]")
# 1,000 · 1 000 · 1'000 · 12,345,678 (the dot only when it groups twice: 1.234.567, as 1.234 is a decimal).
_GROUPED = re.compile(
    r"(?<![\d.,])\d{1,3}(?:([, '_])\d{3})(?:\1\d{3})*(?![\d])|(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?![\d.])"
)
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d{1,2}(?!\d))")
_ZERO_FRACTION = re.compile(r"(?<=\d)\.0+(?![\d.])")
_NUMBER_THEN_WORD = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)(?=[a-z])")
_SPACE_BEFORE_SIGN = re.compile(r"(?<=\d) (?=[%‰°€$£])|(?<=[€$£]) (?=\d)")
_WORD_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")


def normalize(text: str) -> str:
    """Lower case, plain quotes and dashes, single spaces, one number format, no Markdown marks or citations.

    "Up to **1,000 Users** [2]" and "up to 1000 users" become equal; so do "25MB" and "25 MB".
    """
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES_AND_DASHES)
    plain = _MARKDOWN_MARKS.sub("", plain).casefold()
    plain = _SPACES.sub(" ", plain).strip()
    plain = _GROUPED.sub(lambda match: re.sub(r"\D", "", match.group()), plain)
    plain = _DECIMAL_COMMA.sub(".", plain)
    plain = _ZERO_FRACTION.sub("", plain)
    plain = _NUMBER_THEN_WORD.sub(r"\1 ", plain)
    plain = _SPACE_BEFORE_SIGN.sub("", plain)
    return _SPACES.sub(" ", _WORD_HYPHEN.sub(" ", plain)).strip()


def states(text: str, wording: str) -> bool:
    """Whether the text contains the wording as whole words and whole numbers.

    "5" is not stated by "15" or "5.5"; a word may carry a plural ending.
    """
    wanted = normalize(wording)
    if not wanted:
        return False
    return re.search(_start(wanted) + re.escape(wanted) + _end(wanted), normalize(text)) is not None


def _start(wanted: str) -> str:
    if wanted[0].isdigit():
        return r"(?<!\d)(?<!\d[.,])(?<![^\W_])"
    return r"(?<!\w)" if wanted[0].isalpha() else ""


def _end(wanted: str) -> str:
    if wanted[-1].isdigit():
        return r"(?!\d)(?![.,]\d)"
    return r"(?:e?s)?(?!\w)" if wanted[-1].isalpha() else ""
