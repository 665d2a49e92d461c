"""Keeps a crawl out of places without an end: calendars, filters, folders that contain themselves. Pure.

Two signs are used: an address that repeats itself, and a family of addresses (same shape, other numbers) whose pages
are nearly the same as each other.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

MAX_SEGMENTS = 25
MAX_REPEATS = 3
MAX_PARAMETERS = 12
# So many pages of one shape that say the same are enough.
MAX_ALIKE = 20
# Charikar's fingerprints (2002) of 64 bits: near-duplicates of web pages differ in at most 3 (Manku et al., 2007).
ALIKE_BITS = 3
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+")
_LONG_CODE = re.compile(r"(?<![^/=&_.-])(?=[a-z]*\d)[0-9a-z]{16,}(?![^/=&_.-])", re.IGNORECASE)
_SHINGLE = 3
_MAX_WORDS = 3_000


def is_trap(address: str) -> bool:
    """Whether an address repeats a folder again and again, or is far too deep to be meant for readers."""
    parts = urlsplit(address)
    segments = [segment for segment in parts.path.split("/") if segment]
    repeats = max(Counter(segments).values(), default=0)
    return len(segments) > MAX_SEGMENTS or repeats > MAX_REPEATS or parts.query.count("&") >= MAX_PARAMETERS


def shape_of(address: str) -> str:
    """What addresses of one family have in common: numbers and long codes replaced, parameters by name alone."""
    parts = urlsplit(address)
    path = _DIGITS.sub("#", _LONG_CODE.sub("#", parts.path))
    names = ",".join(sorted({part.partition("=")[0] for part in parts.query.split("&") if part}))
    return f"{parts.netloc}{path}{'?' + names if names else ''}"[:500]


def is_family(shape: str) -> bool:
    """Whether more than one address can have this shape."""
    return "#" in shape or "?" in shape


def fingerprint(text: str) -> int:
    """64 bits that are close for texts that are; numbers do not count, so that a month is like the next one.

    Signed, as PostgreSQL keeps it. 0 for a text without words.
    """
    words = [word.lower() for word in _WORD.findall(text)[:_MAX_WORDS]]
    shingles = {" ".join(words[start : start + _SHINGLE]) for start in range(max(1, len(words) - _SHINGLE + 1))}
    if not words:
        return 0
    weights = [0] * 64
    for shingle in shingles:
        bits = int.from_bytes(hashlib.blake2b(shingle.encode(), digest_size=8).digest())
        for place in range(64):
            weights[place] += 1 if bits >> place & 1 else -1
    value = sum(1 << place for place in range(64) if weights[place] > 0)
    return value - (1 << 64) if value >= 1 << 63 else value


def is_exhausted(fingerprints: Sequence[int]) -> bool:
    """Whether so many pages of one shape are like an earlier one that more of them would tell nothing new."""
    if len(fingerprints) < MAX_ALIKE:
        return False
    alike = 0
    seen: list[int] = []
    for value in fingerprints:
        if any((value ^ other).bit_count() <= ALIKE_BITS for other in seen):
            alike += 1
        else:
            seen.append(value)
    return alike >= MAX_ALIKE
