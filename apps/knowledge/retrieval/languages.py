"""Which languages a base can be read in, and what each makes of a word.

A language here is one of PostgreSQL's Snowball dictionaries. It knows the stem of a word and, for most, the
words that say nothing ("the", "und").
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

AUTO = "auto"
# As written, without stems: codes, mixed content, and languages that PostgreSQL has no dictionary for.
SIMPLE = "simple"

LANGUAGES: Mapping[str, str] = {
    "arabic": "Arabic",
    "armenian": "Armenian",
    "basque": "Basque",
    "catalan": "Catalan",
    "danish": "Danish",
    "dutch": "Dutch",
    "english": "English",
    "estonian": "Estonian",
    "finnish": "Finnish",
    "french": "French",
    "german": "German",
    "greek": "Greek",
    "hindi": "Hindi",
    "hungarian": "Hungarian",
    "indonesian": "Indonesian",
    "irish": "Irish",
    "italian": "Italian",
    "lithuanian": "Lithuanian",
    "nepali": "Nepali",
    "norwegian": "Norwegian",
    "portuguese": "Portuguese",
    "romanian": "Romanian",
    "russian": "Russian",
    "serbian": "Serbian",
    "spanish": "Spanish",
    "swedish": "Swedish",
    "tamil": "Tamil",
    "turkish": "Turkish",
    "yiddish": "Yiddish",
}
CHOICES: Sequence[tuple[str, str]] = (
    (AUTO, "Recognise it in each document"),
    *LANGUAGES.items(),
    (SIMPLE, "Others: words as written"),
)

# Told apart by the words that say nothing, of which PostgreSQL ships a list for these.
_WITH_STOP_WORDS = (
    "danish", "dutch", "english", "finnish", "french", "german", "hungarian", "italian", "norwegian", "portuguese",
    "russian", "spanish", "swedish", "turkish",
)  # fmt: skip
# Told by their script alone; Russian stands for Cyrillic, Hindi for Devanagari.
_BY_SCRIPT = {
    "ARABIC": "arabic",
    "ARMENIAN": "armenian",
    "CYRILLIC": "russian",
    "DEVANAGARI": "hindi",
    "GREEK": "greek",
    "TAMIL": "tamil",
}
_SAMPLE_WORDS = 400
# Of running prose, a third to a half are such words; of program text with remarks, a tenth; of part numbers, none.
PROSE_SHARE = 0.2
_LEAST_SHARE = 0.08

_STOP_WORDS = """
SELECT language, sum(times) FROM unnest(%s::text[], %s::int[]) AS sample (word, times),
       unnest(%s::text[]) AS language
WHERE ts_lexize((language || '_stem')::regdictionary, word) = '{}' GROUP BY language
"""
# Accents are dropped after stemming: the rules of a language need them.
_FORMS = """
SELECT word, unaccent(word),
       ARRAY(SELECT DISTINCT unaccent(stem) FROM unnest(%s::text[]) AS language,
                    unnest(ts_lexize((language || '_stem')::regdictionary, word)) AS stem),
       ARRAY(SELECT language FROM unnest(%s::text[]) AS language
             WHERE ts_lexize((language || '_stem')::regdictionary, word) = '{}')
FROM unnest(%s::text[]) AS word
"""


@dataclass(frozen=True, slots=True)
class WordForms:
    """A word without accents, its stems (one for each language that has another), and where it says nothing."""

    written: str
    stems: tuple[str, ...]
    stop_word_in: frozenset[str]


def word_forms(words: Iterable[str], languages: Iterable[str]) -> dict[str, WordForms]:
    """What the languages make of each word, by word. One statement, on no tenant's rows.

    An accent that stands alone would vanish with the accents, so it stays as it is: no form is empty.
    """
    asked = [language for language in languages if language in LANGUAGES]
    with connection.cursor() as cursor:
        cursor.execute(_FORMS, [asked, asked, list(words)])
        return {
            word: WordForms(
                written or word, tuple(stem for stem in stems if stem not in ("", written)), frozenset(stop_word_in)
            )
            for word, written, stems, stop_word_in in cursor.fetchall()
        }


def detect_language(words: Sequence[str], *, least_share: float = _LEAST_SHARE) -> str:
    """The language of a document's words (lower case, in order): the one most of whose stop words are among them.

    `SIMPLE` when they make up less than `least_share`, as in tables, and for scripts without a dictionary.
    """
    sample = Counter(words[:_SAMPLE_WORDS])
    if not sample:
        return SIMPLE
    script = _script(sample)
    if script in _BY_SCRIPT:
        return _BY_SCRIPT[script]
    if script != "LATIN":
        return SIMPLE
    with connection.cursor() as cursor:
        cursor.execute(_STOP_WORDS, [list(sample), list(sample.values()), list(_WITH_STOP_WORDS)])
        counted: dict[str, int] = dict(cursor.fetchall())
    if not counted:
        return SIMPLE
    language, most = max(counted.items(), key=lambda item: (item[1], item[0] == "english"))
    return language if most >= least_share * sample.total() else SIMPLE


def _script(sample: Counter[str]) -> str:
    """The script most letters are of, as Unicode names it: the first word of a letter's name."""
    seen: Counter[str] = Counter()
    for word, times in sample.items():
        name = unicodedata.name(word[0], "")
        seen[name.split(" ")[0]] += times if word[0].isalpha() else 0
    return seen.most_common(1)[0][0]
