"""What changed in a text, in words: lines are aligned first, and inside lines that differ the words. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

PartKind = Literal["same", "added", "removed", "skipped"]

_CONTEXT_LINES = 2
# A word with the space behind it, so that a changed word brings its space along.
_TOKEN = re.compile(r"\w+[^\S\n]*|[^\w\s][^\S\n]*|\n|[^\S\n]+")
# Below this share of common words two passages are told apart as wholes: a salad of words helps nobody.
_LEAST_COMMON = 0.35
# Longer passages are not compared by words: alignment takes time that grows with the product of both lengths.
_MOST_TOKENS = 4_000


@dataclass(frozen=True, slots=True)
class DiffPart:
    """A stretch of text; the `same` and `added` ones joined are the new text, but for what `skipped` stands for."""

    kind: PartKind
    text: str


def diff_words(before: str, after: str) -> tuple[DiffPart, ...]:
    """The way from `before` to `after`. Long unchanged stretches are shortened to what stands near a change.

    The text of a `skipped` part says how many lines it stands for.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    parts: list[DiffPart] = []
    for tag, a, b, c, d in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag == "equal":
            parts += _shortened(old[a:b], is_first=a == 0, is_last=b == len(old))
        else:
            parts += _changed("".join(old[a:b]), "".join(new[c:d]))
    return _merged(parts)


def _changed(before: str, after: str) -> Iterator[DiffPart]:
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    if max(len(old), len(new)) > _MOST_TOKENS or matcher.ratio() < _LEAST_COMMON:
        yield from (DiffPart("removed", before), DiffPart("added", after))
        return
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield DiffPart("same", "".join(old[a:b]))
        else:
            yield from (DiffPart("removed", "".join(old[a:b])), DiffPart("added", "".join(new[c:d])))


def _shortened(lines: Sequence[str], *, is_first: bool, is_last: bool) -> Iterator[DiffPart]:
    head = 0 if is_first else _CONTEXT_LINES
    tail = 0 if is_last else _CONTEXT_LINES
    if len(lines) <= head + tail + 1:
        yield DiffPart("same", "".join(lines))
        return
    yield DiffPart("same", "".join(lines[:head]))
    yield DiffPart("skipped", f"{len(lines) - head - tail} unchanged lines")
    yield DiffPart("same", "".join(lines[len(lines) - tail :]))


def _merged(parts: Sequence[DiffPart]) -> tuple[DiffPart, ...]:
    """Without empty parts, and with neighbours of one kind joined."""
    kept = (part for part in parts if part.text)
    return tuple(
        DiffPart(kind, "".join(part.text for part in group))
        for kind, group in groupby(kept, key=lambda part: part.kind)
    )
