"""What may be said of a document besides its content: another system's name for it, metadata and access tags."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.knowledge.models.document import MAX_TAG_CHARS
from parley.errors import Invalid

Metadata = Mapping[str, Any]

MAX_EXTERNAL_ID = 200
MAX_METADATA_FIELDS = 50
MAX_METADATA_BYTES = 8_192
MAX_TAGS = 20
_TAG_SIGNS = "-_."


@dataclass(frozen=True, slots=True)
class WebOrigin:
    """Where a fetched document came from: its address, the source that led there, and the tags it begins with."""

    url: str
    source_id: UUID
    access_tags: tuple[str, ...] = ()


_PLAIN = (str, int, float, bool)


def checked_external_id(external_id: str) -> str:
    """The id without surrounding space. Raises `Invalid` for one that is too long or not printable."""
    external_id = external_id.strip()
    if len(external_id) > MAX_EXTERNAL_ID or not external_id.isprintable():
        sentence = f"An external id may have {MAX_EXTERNAL_ID} printable characters at most."
        raise Invalid(sentence, errors={"external_id": [sentence]})
    return external_id


def checked_metadata(metadata: Metadata | None) -> Metadata | None:
    """Fields with plain values or lists of them; None stays None. Raises `Invalid` with the reason."""
    if metadata is None:
        return None
    if not all(math.isfinite(item) for value in metadata.values() for item in _items(value) if isinstance(item, float)):
        raise _refused("Metadata holds a number that is too large. Write it as a text.")
    if len(metadata) > MAX_METADATA_FIELDS or len(json.dumps(dict(metadata))) > MAX_METADATA_BYTES:
        raise _refused(f"Metadata may have {MAX_METADATA_FIELDS} fields and {MAX_METADATA_BYTES:,} bytes at most.")
    for name, value in metadata.items():
        items = _items(value)
        if not all(isinstance(item, _PLAIN) for item in items):
            raise _refused(f"“{name}” must be a text, a number, true or false, or a list of these.")
        if not all(_is_text(item) for item in (name, *items) if isinstance(item, str)):
            raise _refused("Metadata holds characters that are no text (NUL or half of a pair). Leave them out.")
    return metadata


def checked_access_tags(tags: Sequence[str] | None, *, most: int = MAX_TAGS) -> list[str] | None:
    """Tags in lower case, each once and in order; None stays None. Raises `Invalid` with the reason."""
    if tags is None:
        return None
    plain = sorted({unicodedata.normalize("NFKC", tag).strip().casefold() for tag in tags} - {""})
    if len(plain) > most:
        raise _refused(f"There may be {most} access tags at most.", "access_tags")
    for tag in plain:
        is_name = tag[0].isalnum() and all(sign.isalnum() or sign in _TAG_SIGNS for sign in tag)
        if len(tag) > MAX_TAG_CHARS or not is_name:
            sentence = (
                f"“{tag[:MAX_TAG_CHARS]}” cannot be an access tag: use {MAX_TAG_CHARS} letters, digits, "
                "hyphens, dots or underscores at most, and begin with a letter or digit."
            )
            raise _refused(sentence, "access_tags")
    return plain


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _refused(sentence: str, field: str = "metadata") -> Invalid:
    return Invalid(sentence, errors={field: [sentence]})


def _is_text(value: str) -> bool:
    """Whether PostgreSQL can keep it: no NUL, and no half of a surrogate pair."""
    return "\0" not in value and value == value.encode(errors="ignore").decode()
