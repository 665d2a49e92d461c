"""The frames of the wire contract: how news about a generation looks to every reader."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from parley.realtime import Event, Snapshot
from parley.tenancy import tenant_key

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def stream_key(generation_id: UUID) -> str:
    """The name of a generation's event log."""
    return tenant_key("generation", generation_id)


def news_key(conversation_id: UUID) -> str:
    """The name under which new generations of a conversation are announced."""
    return tenant_key("conversation", conversation_id)


def frame(kind: str, generation_id: UUID, seq: int, **data: Any) -> str:
    """One frame as text. `kind` is the word after `generation.`."""
    return _dumps({"type": f"generation.{kind}", "generation_id": str(generation_id), "seq": seq, **data})


def delta(generation_id: UUID, seq: int, text: str) -> str:
    """The frame that is made for every few words: put together without a dictionary."""
    return f'{{"type":"generation.delta","generation_id":"{generation_id}","seq":{seq},"text":{_dumps(text)}}}'


def closing(generation_id: UUID, seq: int, message: dict[str, Any], *, failure: str | None) -> str:
    """The last frame; `failure` is the sentence of a run that ended badly."""
    if failure is None:
        return frame("completed", generation_id, seq, message=message)
    return frame("failed", generation_id, seq, message=message, detail=failure)


def snapshot(generation_id: UUID, seq: int, text: str, *, status: str, last: Event | None = None) -> Snapshot:
    """The whole text up to `seq`."""
    return Snapshot(seq, frame("snapshot", generation_id, seq, text=text, status=status), last)


def delivered_text(events: Iterable[Event]) -> str:
    """The words that a log shows to have reached readers."""
    parts = []
    for event in events:
        content = json.loads(event.body)
        if content["type"] == "generation.delta":
            parts.append(content["text"])
    return "".join(parts)


def clean(text: str) -> str:
    """`text` as it can be stored and sent: without NUL and without halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
