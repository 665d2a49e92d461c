"""From the words of a text to the terms it is found by: as written, its stem, and the parts of codes and names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from apps.knowledge.retrieval.languages import WordForms, word_forms
from apps.knowledge.retrieval.tokenizing import Token, tokenize

# A question's word counts most by its stem, which all forms of it share; the very form adds a little. A code
# counts as written; what else it could be, and what it consists of, count less.
_STEM, _VERY_FORM = 1.0, 0.3
_CODE, _JOINED, _PART = 1.0, 0.6, 0.5


@dataclass(frozen=True, slots=True)
class QueryWord:
    """One word of a question: the terms that stand for it, each with its share."""

    text: str
    terms: Mapping[str, float]


class Reader:
    """Knows the forms of a set of words in some languages; asks the database once."""

    def __init__(self, tokens: Iterable[Token], languages: Sequence[str]) -> None:
        words = {word for token in tokens for word in (token.text, token.joined, *token.parts) if word}
        self._forms = word_forms(words, languages) if words else {}

    def terms_of_passage(self, tokens: Iterable[Token]) -> Counter[str]:
        """How often each term stands in a passage."""
        counted: Counter[str] = Counter()
        for token, times in Counter(tokens).items():
            for term in self._terms(token):
                counted[term] += times
        return counted

    def _terms(self, token: Token) -> Iterator[str]:
        forms = self._forms[token.text]
        yield forms.written
        if not token.is_code:
            yield from forms.stems
        if token.joined:
            yield self._forms[token.joined].written
        for part in token.parts:
            part_forms = self._forms[part]
            yield part_forms.written
            yield from part_forms.stems

    def query_words(self, tokens: Sequence[Token], limit: int) -> list[QueryWord]:
        """What a question looks for. Words that say nothing only if there are no others."""
        unique = list(dict.fromkeys(tokens))
        spoken = self._spoken(unique)
        telling = [token for token in unique if token.is_code or not self._says_nothing(token.text, spoken)]
        return [self._query_word(token, spoken) for token in (telling or unique)[:limit]]

    def _spoken(self, tokens: Sequence[Token]) -> frozenset[str]:
        """The language of the question: the one, or several alike, that takes most of its words for stop words.

        A base may be written in others, too, in which a "what" or a "does" would be a rare and telling word.
        """
        counted = Counter(language for token in tokens for language in self._forms[token.text].stop_word_in)
        most = max(counted.values(), default=0)
        return frozenset(language for language, count in counted.items() if count == most)

    def _says_nothing(self, word: str, spoken: frozenset[str]) -> bool:
        return bool(spoken) and spoken <= self._forms[word].stop_word_in

    def _query_word(self, token: Token, spoken: frozenset[str]) -> QueryWord:
        forms = self._forms[token.text]
        if not token.is_code:
            return QueryWord(forms.written, _of_word(forms))
        terms = {forms.written: _CODE}
        if token.joined:
            terms.setdefault(self._forms[token.joined].written, _JOINED)
        for part in token.parts:
            part_forms = self._forms[part]
            if not self._says_nothing(part, spoken):
                for term, share in _of_word(part_forms).items():
                    terms.setdefault(term, share * _PART)
        return QueryWord(forms.written, terms)


def _of_word(forms: WordForms) -> dict[str, float]:
    if not forms.stems:
        return {forms.written: _STEM}
    return {forms.written: _VERY_FORM} | dict.fromkeys(forms.stems, _STEM)


def read_tokens(*texts: str) -> list[Token]:
    """The words of several texts, one after the other."""
    return [token for text in texts for token in tokenize(text)]
