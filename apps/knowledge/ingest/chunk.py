"""Cuts a document along its own structure: a chunk is one thought under its headings; tables stay whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from semantic_text_splitter import TextSplitter

from apps.knowledge.ingest.blocks import Block, ExtractedDocument
from apps.knowledge.ingest.limits import CHUNK_TOKENS
from apps.knowledge.ingest.tokens import count_tokens, word_pieces

# Less than a sentence or two: not worth a passage of its own.
SMALL_TOKENS = 16
MAX_CONTEXT_TOKENS = 48
HEADING_SEPARATOR = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "
_MAX_HEADER_ROW_TOKENS = 60


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """One piece of a document as it will be stored; `token_count` counts text and headings together.

    Neighbours of one `section` stand under the same headings. `origin`, `is_enabled` and `file_text` tell what people
    changed: their words instead of the file's, and whether it is found.
    """

    ordinal: int
    section: int
    text: str
    headings: tuple[str, ...]
    location: str
    token_count: int
    origin: str = "extracted"
    is_enabled: bool = True
    file_text: str = ""


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    path: tuple[str, ...]
    page: int | None
    tokens: int


def context_line(title: str, headings: Sequence[str]) -> str:
    """What a chunk is about, put before its text when it is embedded: the headings above it or the title."""
    line = HEADING_SEPARATOR.join(headings) if headings else title
    tokenizer = word_pieces()
    encoding = tokenizer.encode(line, add_special_tokens=False)
    if len(encoding) <= MAX_CONTEXT_TOKENS:
        return line
    # The innermost headings say the most, so the beginning goes.
    return line[encoding.offsets[-MAX_CONTEXT_TOKENS][0] :]


def embedded_text(title: str, headings: Sequence[str], text: str) -> str:
    """Exactly the text whose vector stands for the chunk."""
    line = context_line(title, headings)
    return f"{line}\n{text}" if line else text


def chunk(document: ExtractedDocument, *, tokens: int = CHUNK_TOKENS) -> list[ChunkDraft]:
    """Chunks of up to `tokens` in reading order; empty only for a document without words.

    Deterministic for equal documents and settings.
    """
    packed = list(_pack(_pieces(document, tokens), tokens))
    sections = _sections([_common([piece.path for piece in pieces]) for pieces in packed])
    return [
        _draft(ordinal, section, pieces, document.title)
        for ordinal, (section, pieces) in enumerate(zip(sections, packed, strict=True))
    ]


def _sections(paths: Sequence[tuple[str, ...]]) -> Iterator[int]:
    """The number of each chunk's section, counted from 0 whenever the headings change."""
    number = 0
    for before, path in zip([*paths[:1], *paths], paths, strict=False):
        number += path != before
        yield number


def _room(tokens: int, path: tuple[str, ...]) -> int:
    return tokens - min(MAX_CONTEXT_TOKENS, tokens // 4, _tokens_of_path(path))


def _pieces(document: ExtractedDocument, tokens: int) -> Iterator[_Piece]:
    blocks = document.blocks
    for index, block in enumerate(blocks):
        if block.kind == "heading":
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            if _has_content_below(block, following):
                continue
        path = block.headings
        room = _room(tokens, path or (document.title,))
        for text in _split(block, room):
            yield _Piece(text, path, block.page, count_tokens(text))


def _has_content_below(heading: Block, following: Block | None) -> bool:
    own = (*heading.headings, heading.text)
    return following is not None and following.headings[: len(own)] == own


@lru_cache(maxsize=512)
def _tokens_of_path(path: tuple[str, ...]) -> int:
    return count_tokens(HEADING_SEPARATOR.join(path))


def _pack(pieces: Iterable[_Piece], tokens: int) -> Iterator[list[_Piece]]:
    """Fill chunks section by section; sections too small to stand alone join their neighbours."""
    pending: list[_Piece] = []
    for path, group in groupby(pieces, key=lambda piece: piece.path):
        parts = list(_fill(list(group), _room(tokens, path)))
        if pending and not (len(parts) == 1 and _may_join(pending, parts[0], tokens)):
            yield pending
            pending = []
        yield from parts[:-1]
        pending = pending + parts[-1]
    if pending:
        yield pending


def _fill(section: list[_Piece], room: int) -> Iterator[list[_Piece]]:
    part: list[_Piece] = []
    for piece in section:
        if part and _size(part) + piece.tokens > room:
            yield part
            part = []
        part.append(piece)
    if part:
        yield part


def _size(part: list[_Piece]) -> int:
    return sum(piece.tokens for piece in part)


def _may_join(pending: list[_Piece], part: list[_Piece], tokens: int) -> bool:
    """One of the two is tiny, they stand under one roof, and both fit with their headings written out."""
    last, first = pending[-1].path, part[0].path
    if _size(pending) >= SMALL_TOKENS and _size(part) >= SMALL_TOKENS // 2:
        return False
    is_kin = bool(_common([last, first])) or (len(last) <= 1 and len(first) <= 1)
    inlined = sum(_tokens_of_path(path) for path in {piece.path for piece in pending + part})
    return is_kin and _size(pending) + _size(part) + inlined <= tokens


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    shared: list[str] = []
    for names in zip(*paths, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return tuple(shared)


def _draft(ordinal: int, section: int, pieces: list[_Piece], title: str) -> ChunkDraft:
    headings = _common([piece.path for piece in pieces])
    parts: list[str] = []
    shown: tuple[str, ...] = ()
    for piece in pieces:
        inner = piece.path[len(headings) :]
        if inner and inner != shown:
            parts.append(HEADING_SEPARATOR.join(inner))
        shown = inner
        parts.append(piece.text)
    text = "\n\n".join(parts)
    tokens = count_tokens(embedded_text(title, headings, text))
    return ChunkDraft(ordinal, section, text, headings, _location(pieces, headings, title, ordinal), tokens)


def _location(pieces: Sequence[_Piece], headings: tuple[str, ...], title: str, ordinal: int) -> str:
    """Where a reader finds it: pages, or headings without the title, which always stands beside it."""
    pages = [piece.page for piece in pieces if piece.page is not None]
    if pages:
        first, last = min(pages), max(pages)
        return f"page {first}" if first == last else f"pages {first}\N{EN DASH}{last}"
    path = headings or pieces[0].path
    if len(path) > 1 and path[0] == title:
        path = path[1:]
    return HEADING_SEPARATOR.join(path[-3:]) if path else f"part {ordinal + 1}"


def _split(block: Block, room: int) -> Iterator[str]:
    # A word piece is at least one character: short blocks need no counting to be known to fit.
    if len(block.text) <= room or count_tokens(block.text) <= room:
        yield block.text
    elif block.kind == "table":
        yield from _split_table(block.text, room)
    else:
        yield from _splitter(room).chunks(block.text)


@lru_cache(maxsize=256)
def _splitter(room: int) -> TextSplitter:
    return TextSplitter.from_callback(count_tokens, room)


def _split_table(text: str, room: int) -> Iterator[str]:
    """Groups of rows, each group under the table's head so that its columns keep their names."""
    lines = text.split("\n")
    head = lines[:2] if count_tokens(lines[0]) <= _MAX_HEADER_ROW_TOKENS else []
    head_tokens = count_tokens("\n".join(head))
    rows: list[str] = []
    used = head_tokens
    for row in lines[len(head) :]:
        tokens = count_tokens(row)
        if rows and used + tokens > room:
            yield "\n".join([*head, *rows])
            rows, used = [], head_tokens
        if head_tokens + tokens > room:
            yield from _splitter(room).chunks(row)
            continue
        rows.append(row)
        used += tokens
    if rows:
        yield "\n".join([*head, *rows])
