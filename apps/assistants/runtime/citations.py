"""Reads source markers out of an answer while it streams.

The text that leaves here is the text that is stored, so everything is decided character by character: how the
stream happens to be cut into deltas cannot change the result, and only what is undecided is held back.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_CLOSER = {"[": "]", "【": "】"}
_LABELS: tuple[str, ...] = (
    *("source", "sources", "passage", "passages", "citation", "citations", "reference", "references"),
    *("ref", "refs", "document", "documents", "doc", "docs", "no", "#", "^"),
)
_WORDS = (*_LABELS, "and")
_LABEL = "(?:" + "|".join(re.escape(label) for label in sorted(_LABELS, key=len, reverse=True)) + r")\.?"
_NUMBER = rf"(?:{_LABEL}[ ]{{0,2}}:?[ ]{{0,2}})?\d{{1,3}}"
_JOIN = r"[ ]{0,2}(?:[,;&\u2013-]|,?[ ]and[ ])[ ]{0,2}"
_MARKER = re.compile(rf"[ ]?{_NUMBER}(?:{_JOIN}{_NUMBER})*[ ]?(?:†[^\[\]【】\n]{{0,40}})?", re.IGNORECASE)
# Loose on purpose: the beginning of anything that _MARKER may match once it is complete.
_BEGINNING = re.compile(
    rf"(?:[ ]{{0,2}}(?:\d{{1,3}}(?!\d)|{_LABEL}(?![a-z])|and(?![a-z])|[,;&:\u2013-]))*[ ]{{0,2}}"
    r"(?:(?<=\d)†[^\[\]【】\n]*)?",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"[a-z#^]*\Z", re.IGNORECASE)
_PREFIXES = frozenset(word[:end] for word in _WORDS for end in range(1, len(word) + 1))
_LONGEST = 64  # no marker worth recognising is longer, so no more than this is ever held back
_RANGE_OR_NUMBER = re.compile(r"(\d{1,3})(?:[ ]{0,2}[\u2013-][ ]{0,2}(\d{1,3}))?")
_WIDEST_RANGE = 20

_SPECIAL = re.compile(r"[\[【`~\\]")  # outside code, only these give a following character another meaning
_BLANKS = " \t"
_SPACE = re.compile(r"\s")
_LONGEST_TARGET = 2000  # of a link's address, as far as it matters whether we are still inside it
_SHORTEST_FENCE = 3


def strip_markers(text: str) -> str:
    """`text` without its citation markers, for places where their numbers mean nothing any more."""
    reader = CitationReader(())
    return reader.feed(text) + reader.finish()


@dataclass(slots=True)
class _Code:
    """Code that is open: a span (`` `x` ``) or a fenced block, by the run of characters that opened it."""

    run: str
    is_block: bool
    on_first_line: bool = True

    def is_closed_by(self, run: str, *, starts_line: bool) -> bool:
        if run[0] != self.run[0]:
            return False
        if self.is_block and not self.on_first_line:
            return starts_line and len(run) >= len(self.run)
        return len(run) == len(self.run)


class CitationReader:
    """Feeds on deltas, returns the text to show, and remembers which sources that text cites.

    `numbers` are the source numbers that exist. Markers such as `[1, 2]`, `[Source 1]` or `【1】` become
    `[1]`; numbers that name no source are dropped together with the blanks before them. Code spans, fenced
    code, links (`[1](…)`) and escaped brackets are left alone.
    """

    def __init__(self, numbers: Collection[int]) -> None:
        self._numbers = frozenset(numbers)
        self._cited: dict[int, None] = {}
        self._returned: list[str] = []
        self._out: list[str] = []
        self._blanks = ""  # not shown yet: a marker that is dropped takes them along
        self._dropped: str | None = None  # blanks just dropped with a marker
        self._marker = ""  # a possible marker, from its opening bracket on
        self._is_complete = False  # the marker has its closing bracket; one more character tells it from a link
        self._is_escaped = False
        self._is_line_blank = True
        self._word = ""  # what was emitted since the last white space
        self._run = ""  # backticks or tildes, as many as came in a row
        self._run_starts_line = False
        self._code: _Code | None = None

    @property
    def cited(self) -> tuple[int, ...]:
        """Numbers of the sources cited so far, in order of first appearance."""
        return tuple(self._cited)

    @property
    def text(self) -> str:
        """Everything returned so far, joined."""
        return "".join(self._returned)

    def feed(self, delta: str) -> str:
        """The text that this delta settles; may be empty."""
        at = 0
        while at < len(delta):
            end = self._plain_until(delta, at)
            if end > at:
                self._literal(delta[at:end])
            else:
                end = at + 1
                self._step(delta[at])
            at = end
        return self._take()

    def finish(self) -> str:
        """The rest of the text, once no more deltas come."""
        marker, self._marker = self._marker, ""
        if self._is_complete:
            self._resolve(marker)
        elif marker:
            self._literal(marker)
        self._emit(self._blanks)
        self._blanks = ""
        return self._take()

    def _take(self) -> str:
        text = "".join(self._out)
        if text:
            self._out.clear()
            self._returned.append(text)
        return text

    def _plain_until(self, delta: str, at: int) -> int:
        """The fast path: where the next character is that could matter, or `at` when each one matters."""
        if self._marker or self._is_escaped or self._run or self._code or self._dropped is not None:
            return at
        special = _SPECIAL.search(delta, at)
        return special.start() if special else len(delta)

    def _step(self, char: str) -> None:
        if self._run and char != self._run[0]:
            self._end_run()
        if self._code:
            self._step_in_code(char)
        elif self._marker:
            self._step_in_marker(char)
        elif self._is_escaped:
            self._is_escaped = False
            self._literal(char)
        else:
            self._step_in_text(char)

    # -- text ---------------------------------------------------------------------------------------------

    def _step_in_text(self, char: str) -> None:
        if self._dropped is not None and not self._settle_drop(char):
            return
        if char in _CLOSER and not self._is_in_link_target():
            self._marker = char
        elif char in "`~":
            self._extend_run(char)
        else:
            self._is_escaped = char == "\\"
            self._literal(char)

    def _settle_drop(self, char: str) -> bool:
        """What becomes of the blanks around a dropped marker; False when `char` goes with them."""
        if self._is_line_blank and char in _BLANKS:
            return False
        if char.isalnum() or char in _CLOSER:
            self._blanks = self._dropped or ""
        self._dropped = None
        return True

    def _literal(self, text: str) -> None:
        kept = text.rstrip(_BLANKS)
        if kept:
            self._emit(self._blanks + kept)
            self._blanks = ""
        self._blanks += text[len(kept) :]

    def _emit(self, text: str) -> None:
        if not text:
            return
        self._out.append(text)
        word = _SPACE.split(text)[-1]
        self._word = (self._word + word)[-_LONGEST_TARGET:] if word == text else word
        _, newline, line = text.rpartition("\n")
        self._is_line_blank = (bool(newline) or self._is_line_blank) and not line.strip()

    def _is_in_link_target(self) -> bool:
        _, opening, target = self._word.rpartition("](")
        return bool(opening) and not self._blanks and ")" not in target

    # -- markers ------------------------------------------------------------------------------------------

    def _step_in_marker(self, char: str) -> None:
        body = self._marker[1:]
        if self._is_complete:
            self._step_after_marker(char)
        elif char == _CLOSER[self._marker[0]] and _MARKER.fullmatch(body):
            self._marker += char
            self._is_complete = True
        elif len(body) < _LONGEST and _may_become_marker(body + char):
            self._marker += char
        else:
            marker, self._marker = self._marker, ""
            self._literal(marker)
            self._step_in_text(char)

    def _step_after_marker(self, char: str) -> None:
        marker, self._marker = self._marker, ""
        self._is_complete = False
        if char == "(" and marker[0] == "[":
            self._literal(marker + char)
        elif char == ":" and self._is_line_blank:
            # "[1]: address" at the start of a line would define a link target for every other [1].
            self._resolve(marker)
        else:
            self._resolve(marker)
            self._step_in_text(char)

    def _resolve(self, marker: str) -> None:
        known = list(dict.fromkeys(n for n in _numbers_of(marker) if n in self._numbers))
        if known:
            self._cited.update(dict.fromkeys(known))
            self._literal("".join(f"[{number}]" for number in known))
        elif marker == "[0]" and not self._blanks and self._word[-1:].isidentifier():
            self._literal(marker)  # items[0]: an index that lost its code marks
        else:
            self._dropped, self._blanks = self._blanks, ""

    # -- code ---------------------------------------------------------------------------------------------

    def _extend_run(self, char: str) -> None:
        if not self._run:
            self._run_starts_line = self._is_line_blank
        self._run += char
        self._literal(char)

    def _end_run(self) -> None:
        run, self._run = self._run, ""
        if self._code:
            if self._code.is_closed_by(run, starts_line=self._run_starts_line):
                self._code = None
        elif self._run_starts_line and len(run) >= _SHORTEST_FENCE:
            self._code = _Code(run, is_block=True)
        elif run[0] == "`":
            self._code = _Code(run, is_block=False)

    def _step_in_code(self, char: str) -> None:
        code = self._code
        if code and char == code.run[0]:
            self._extend_run(char)
            return
        if code and char == "\n":
            code.on_first_line = False
            if self._is_line_blank and not code.is_block:
                self._code = None  # a span ends with its paragraph: this one was a stray backtick
        self._literal(char)


def _may_become_marker(body: str) -> bool:
    word = _LAST_WORD.search(body)
    unfinished = word.group().lower() if word else ""
    if unfinished and unfinished not in _PREFIXES:
        return _BEGINNING.fullmatch(body) is not None
    return _BEGINNING.fullmatch(body[: len(body) - len(unfinished)]) is not None


def _numbers_of(marker: str) -> Iterator[int]:
    for match in _RANGE_OR_NUMBER.finditer(marker.partition("†")[0]):
        first, last = int(match[1]), int(match[2] or match[1])
        if first <= last <= first + _WIDEST_RANGE:
            yield from range(first, last + 1)
        else:
            yield from (first, last)
