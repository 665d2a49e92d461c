"""Reads the JSON out of what a model wrote around it."""

from __future__ import annotations

import json
import re
from typing import Any

_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_DECODER = json.JSONDecoder(strict=False)
MAX_REPLY_LENGTH = 20_000


def find_json_object(text: str) -> dict[str, Any] | None:
    """The first complete JSON object in the text, or None.

    Tolerates words and code fences around it, line breaks inside strings and trailing commas.
    """
    reply = _TRAILING_COMMA.sub("", text[:MAX_REPLY_LENGTH])
    start = reply.find("{")
    while start != -1:
        try:
            found, _ = _DECODER.raw_decode(reply, start)
        except (ValueError, RecursionError):
            start = reply.find("{", start + 1)
            continue
        return found if isinstance(found, dict) else None
    return None
