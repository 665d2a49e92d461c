"""What another system may say of a document that it sends: its own name for it, and metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from parley.errors import Invalid

Metadata = Mapping[str, Any]

MAX_EXTERNAL_ID = 200
MAX_METADATA_FIELDS = 50
MAX_METADATA_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class WebOrigin:
    """Where a fetched document came from: its address, and the source that led there."""

    url: str
    source_id: UUID


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
    if len(metadata) > MAX_METADATA_FIELDS or len(json.dumps(dict(metadata))) > MAX_METADATA_BYTES:
        raise _refused(f"Metadata may have {MAX_METADATA_FIELDS} fields and {MAX_METADATA_BYTES:,} bytes at most.")
    for name, value in metadata.items():
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, _PLAIN) for item in items):
            raise _refused(f"“{name}” must be a text, a number, true or false, or a list of these.")
        if not all(_is_text(item) for item in (name, *items) if isinstance(item, str)):
            raise _refused("Metadata holds characters that are no text (NUL or half of a pair). Leave them out.")
    return metadata


def _refused(sentence: str) -> Invalid:
    return Invalid(sentence, errors={"metadata": [sentence]})


def _is_text(value: str) -> bool:
    """Whether PostgreSQL can keep it: no NUL, and no half of a surrogate pair."""
    return "\0" not in value and value == value.encode(errors="ignore").decode()
