"""Joins the rest of an answer that broke off to what was shown of it, without a repeated or a lost word. Pure.

The next model is asked to begin with the last words that were shown (the anchor), because that makes the place of
the join visible: where its text repeats the end of what was shown, all of it is dropped up to the very letter, also
in the middle of a word. A model that quotes the last sentence, or begins again from the start, repeats the end, too,
only more of it. One that repeats nothing goes on with a new word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from parley.llm import ChatMessage

_ANCHOR_WORDS: Final = 8
# Fewer repeated words than this may be chance: “the” after “the”.
_FEWEST_WORDS: Final = 3
# So many words from its start make a text that differs later an answer that begins again.
_WORDS_OF_A_RESTART: Final = 4
# How far back a repetition may begin, besides the very start of the answer.
_REACH: Final = 1_200
_LONGEST_PREAMBLE: Final = 120
_WORD_START: Final = re.compile(r"(?<!\S)\S")
_WORD: Final = re.compile(r"\w+")
_LEAD: Final = re.compile(r"^(?:\s|…|\.\.\.|[\"'“”„«»‘’])+")
_DOTS: Final = re.compile(r"\s*(?:…|\.\.\.)")
_PREAMBLE: Final = re.compile(rf"^[^\n]{{1,{_LONGEST_PREAMBLE}}}:[ \t]*\n+")
# Marks that a model may leave out or add when it repeats itself.
_IGNORABLE: Final = frozenset('*_`"“”„«»')
_REMARKS: Final = ("sure", "certainly", "of course", "okay", "here is", "here's", "here are", "continuing", "continued")
_CLOSING: Final = frozenset(".,;:!?)]}%…’”»")
_OPENING: Final = frozenset("([{“„«-/")


def anchor_of(shown: str) -> str:
    """The last words of an answer, which its continuation shall begin with."""
    starts = [match.start() for match in _WORD_START.finditer(shown)]
    return shown[starts[-_ANCHOR_WORDS] if len(starts) >= _ANCHOR_WORDS else 0 :].strip()


def continuation_prompt(messages: Sequence[ChatMessage], shown: str) -> tuple[ChatMessage, ...]:
    """The question again, the answer so far as the assistant's own turn, and how to go on."""
    request = (
        "Your answer was cut off there. Write the rest of it. Begin by repeating its last words exactly, which are:\n"
        f"{anchor_of(shown)}\n"
        "Then go on without a break, in the same language and format. Do not start again, and do not comment on this."
    )
    return (*messages, ChatMessage("assistant", shown), ChatMessage("user", request))


class Seam:
    """Reads a continuation as it streams; `feed` and `finish` return what to show after `shown`.

    Text is held back only until the join is found: as a rule the few words of the anchor.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._held = ""
        self._walks: list[_Walk] | None = [_Walk(shown, start) for start in _starts(shown)]
        self._skipped = 0
        self._has_met_preamble = False

    def feed(self, delta: str) -> str:
        """What this piece settles."""
        if self._walks is None:
            return delta
        self._held += delta
        return self._settle(is_end=False)

    def finish(self) -> str:
        """The rest, when the continuation has ended."""
        return "" if self._walks is None else self._settle(is_end=True)

    def _settle(self, *, is_end: bool) -> str:
        assert self._walks is not None
        lead = _LEAD.match(self._held)
        skipped = lead.end() if lead else 0
        if not is_end and (skipped == len(self._held) or self._held.strip() in (".", "..")):
            return ""
        if skipped != self._skipped:
            # More of the lead has arrived: compare from behind it.
            self._skipped = skipped
            self._walks = [_Walk(self._shown, walk.start) for walk in self._walks]
        text = self._held[skipped:]
        for walk in self._walks:
            walk.go(text)
        # The one that reaches furthest back repeats most: it is the join, once it cannot fail any more.
        for walk in self._walks:
            if walk.is_open and not is_end:
                return ""
            if walk.is_done:
                verdict = self._is_join(walk, text, is_end=is_end)
                rest = text[walk.read :]
                if verdict is None or (verdict and self._shown[-1:].isspace() and not rest.strip() and not is_end):
                    return ""
                if verdict:
                    return self._joined(rest)
        return self._unjoined(text, is_end=is_end)

    def _is_join(self, walk: _Walk, text: str, *, is_end: bool) -> bool | None:
        """Whether what was repeated is no chance; None while the next letter must decide.

        Some words, or all there was, are none. One or two count where the model set in anew with whole words: in no
        language is a word said twice as often as a model repeats one.
        """
        if walk.word_count >= _FEWEST_WORDS or walk.start == 0:
            return True
        if self._held[:1].isspace():
            return False
        if walk.read == len(text) and not is_end:
            return None
        return not text[walk.read : walk.read + 1].isalnum()

    def _joined(self, rest: str) -> str:
        self._walks = None
        ending = self._shown[len(self._shown.rstrip()) :]
        if not ending:
            return rest
        # Both have white space here: keep only what the continuation has more of.
        gap = rest[: len(rest) - len(rest.lstrip())]
        if gap.startswith(ending):
            return rest[len(ending) :]
        return "\n" * max(0, gap.count("\n") - ending.count("\n")) + rest[len(gap) :]

    def _unjoined(self, text: str, *, is_end: bool) -> str:
        """No repetition: strip a remark such as “Here is the rest:” once, else go on with a new word."""
        assert self._walks is not None
        if not self._has_met_preamble:
            if not is_end and _may_become_preamble(text):
                return ""
            preamble = _PREAMBLE.match(text)
            if preamble is not None and _speaks_of_itself(text):
                self._has_met_preamble = True
                self._held, self._skipped = text[preamble.end() :], 0
                self._walks = [_Walk(self._shown, walk.start) for walk in self._walks]
                return self._settle(is_end=is_end)
        begins_again = any(walk.start == 0 and walk.words_read >= _WORDS_OF_A_RESTART for walk in self._walks)
        self._walks = None
        # Dots that only say “as I was saying” are no part of the answer.
        rest = text if _DOTS.match(self._held) else self._held
        if not rest.strip():
            return ""
        if begins_again:
            # It says the same in other words; a paragraph of its own shows where.
            return "\n\n" + rest.lstrip()
        return _gap(self._shown, rest) + rest


class _Walk:
    """Compares the end of what was shown, from one place on, with the beginning of the continuation."""

    __slots__ = ("_at", "_is_failed", "read", "shown", "start", "stop")

    def __init__(self, shown: str, start: int) -> None:
        self.shown = shown
        self.start = start
        self.stop = len(shown.rstrip())
        self._at = start
        self.read = 0
        self._is_failed = False

    @property
    def word_count(self) -> int:
        """Words of the end that it compares."""
        return len(_WORD.findall(self.shown, self.start))

    @property
    def words_read(self) -> int:
        """Words that were equal so far."""
        return len(_WORD.findall(self.shown[self.start : self._at]))

    @property
    def is_done(self) -> bool:
        """Whether all of the end was repeated; `read` characters of the continuation did that."""
        return not self._is_failed and self._at >= self.stop

    @property
    def is_open(self) -> bool:
        """Whether the text may still turn out to repeat the end."""
        return not self._is_failed and self._at < self.stop

    def go(self, text: str) -> None:
        """Read on as far as the text goes; a difference ends it for good."""
        shown = self.shown
        while not self._is_failed and self._at < self.stop and self.read < len(text):
            old, new = shown[self._at], text[self.read]
            if old == new:
                self._at += 1
                self.read += 1
            elif old.isspace() and new.isspace():
                self._pass_spaces(text)
                if self.read == len(text):
                    return
            elif old in _IGNORABLE or (old.isspace() and not shown[self._at - 1 : self._at].strip()):
                self._at += 1
            elif new in _IGNORABLE or (new.isspace() and text[self.read - 1 : self.read].isspace()):
                self.read += 1
            else:
                self._is_failed = True

    def _pass_spaces(self, text: str) -> None:
        while self._at < self.stop and self.shown[self._at].isspace():
            self._at += 1
        while self.read < len(text) and text[self.read].isspace():
            self.read += 1


def _starts(shown: str) -> list[int]:
    """Where a repetition may begin: the very start, then each word near the end, the furthest first."""
    words = [match.start() for match in _WORD_START.finditer(shown)]
    first = words[:1]
    near = [start for start in words[1:] if start >= len(shown) - _REACH]
    return [0 if start == first[0] else start for start in (*first, *near)] if first else []


def _gap(shown: str, text: str) -> str:
    """A space where two words would run together."""
    if not shown or shown[-1].isspace() or text[0].isspace() or text[0] in _CLOSING or shown[-1] in _OPENING:
        return ""
    return " "


def _may_become_preamble(text: str) -> bool:
    return "\n" not in text and len(text) <= _LONGEST_PREAMBLE and _speaks_of_itself(text)


def _speaks_of_itself(text: str) -> bool:
    begins = text.casefold()
    return any(begins.startswith(remark) or remark.startswith(begins) for remark in _REMARKS)
