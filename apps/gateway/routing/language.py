"""Which language a short message is written in: by its script, else by its commonest small words. Pure."""

from __future__ import annotations

import re
from typing import Final

LANGUAGES: Final = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "pl": "Polish",
    "tr": "Turkish",
    "ru": "Russian",
    "uk": "Ukrainian",
    "el": "Greek",
    "ar": "Arabic",
    "he": "Hebrew",
    "hi": "Hindi",
    "th": "Thai",
    "ko": "Korean",
    "ja": "Japanese",
    "zh": "Chinese",
}

# First match decides: kana before ideographs, since Japanese is written with both.
_SCRIPTS: Final = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("uk", re.compile(r"[іїєґІЇЄҐ]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
)
_SMALL_WORDS: Final = {
    "en": "the is are and of to in it you that what how do does can my we with for this not have when where why i",
    "de": "der die das ist und ich nicht ein eine wie was wir sie mit auf für kann wo warum mein zu den dem im hat",
    "fr": "le la les est et je ne pas un une des que qui comment dans pour avec vous nous mon ma du au sur où quel",
    "es": "el la los las es y no un una que cómo qué en para con mi de del por dónde puedo está son se lo cuánto",
    "it": "il lo la gli è e non un una che come cosa per con mio di del della posso dove sono si quanto nel ho",
    "pt": "o a os as é e não um uma que como para com meu minha de do da por onde posso está são se em quanto no",
    "nl": "de het een is en ik niet wat hoe van voor met mijn je we kan waar waarom zijn op dat te in er aan",
    "pl": "i w na jest nie to co jak z się do mój czy gdzie dla po że mogę są ile moje od ten",
    "tr": "bir ve bu ne nasıl için ile mi mı mu nerede benim var yok değil kaç olarak çok daha",
}
_WORDS_OF: Final = {language: frozenset(words.split()) for language, words in _SMALL_WORDS.items()}
_LETTERS: Final = {
    "de": "äöüß",
    "fr": "çèêëîïôœù",
    "es": "ñ¿¡",
    "pt": "ãõ",
    "pl": "ąćęłńśźż",
    "tr": "ğışİ",
}
_WORD: Final = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str | None:
    """The two-letter code of the likeliest of `LANGUAGES`; None when nothing speaks for one of them."""
    for language, script in _SCRIPTS:
        if script.search(text):
            return language
    lowered = text.lower()
    words = _WORD.findall(lowered)
    scores = {
        language: sum(word in small for word in words)
        + 2 * any(letter in lowered for letter in _LETTERS.get(language, ""))
        for language, small in _WORDS_OF.items()
    }
    best = max(scores, key=lambda language: scores[language])
    if not scores[best]:
        return None
    # A tie says nothing.
    return best if sum(score == scores[best] for score in scores.values()) == 1 else None
