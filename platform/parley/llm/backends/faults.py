"""Turns the ways an OpenAI-dialect server says no into our one error, without repeating its words or our key."""

import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from parley.llm.errors import LlmError, LlmErrorKind

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,60}")
_OVERFLOW = re.compile(
    r"context.{0,12}(length|window|size)|maximum context|too many tokens|exceeds? the (available|max)",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[_ ](filter|policy)|safety|moderation", re.IGNORECASE)
_RETRY_AFTER_LIMIT = 3600.0


def place(base_url: str) -> str:
    """Host and port of an address, for sentences: never its path, user or query."""
    parts = urlsplit(base_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def error_for_status(status: int, body: bytes, *, base_url: str, model: str, retry_after: str | None) -> LlmError:
    """The error for an HTTP answer that is not 200."""
    code, message = _read(body)
    where = place(base_url)
    if status in (401, 403):
        return LlmError("authentication", f"{where} did not accept the key. Check the provider's key.")
    if status == 404:
        return LlmError("not_found", f"{where} knows no model “{model}”. Check the model's name and the address.")
    if status == 429:
        return _rate_limited(code, where, parse_retry_after(retry_after))
    if status in (408, 504):
        return LlmError("timeout", f"{where} took too long to answer. Try again.")
    if status >= 500:
        kind: LlmErrorKind = "unreachable" if status in (502, 503, 529) else "bad_response"
        sentence = f"{where} reported a fault of its own (HTTP {status}). Try again in a moment."
        return LlmError(kind, sentence, retry_after=parse_retry_after(retry_after))
    if 300 <= status < 400:
        return LlmError("bad_response", f"{where} redirects elsewhere. Enter the provider's final address.")
    return _refusal(status, code, message, where)


def error_from_event(error: object, *, base_url: str) -> LlmError:
    """The error for an `{"error": …}` event inside a stream that had begun."""
    code, message = _fields(error)
    where = place(base_url)
    if "rate_limit" in code or code == "429":
        return _rate_limited(code, where, None)
    if code == "context_length_exceeded" or _OVERFLOW.search(message):
        return _overflow(where)
    return LlmError("bad_response", f"{where} stopped in the middle of its answer{_named(code)}. Try again.")


def parse_retry_after(value: str | None) -> float | None:
    """Seconds to wait from a `Retry-After` header (seconds or a date), at most an hour; None when it says nothing."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    if seconds != seconds:  # "nan" is a float too
        return None
    return min(max(seconds, 0.0), _RETRY_AFTER_LIMIT)


def _rate_limited(code: str, where: str, retry_after: float | None) -> LlmError:
    if code == "insufficient_quota":
        return LlmError("rate_limited", f"The account at {where} has used up its quota. Top it up there.")
    return LlmError("rate_limited", f"{where} accepts no more calls for now. Try again later.", retry_after=retry_after)


def _overflow(where: str) -> LlmError:
    sentence = f"The question with its sources is longer than the model at {where} can read. Shorten it."
    return LlmError("context_overflow", sentence)


def _refusal(status: int, code: str, message: str, where: str) -> LlmError:
    if code == "context_length_exceeded" or _OVERFLOW.search(message) or status == 413:
        return _overflow(where)
    if _FILTERED.search(code) or _FILTERED.search(message):
        return LlmError("refused", f"{where} declined to answer this by its content rules.")
    return LlmError("refused", f"{where} did not accept the request (HTTP {status}{_named(code, lead=', ')}).")


def _named(code: str, *, lead: str = " (") -> str:
    if not _IDENTIFIER.fullmatch(code):
        return ""
    return f"{lead}{code}" + (")" if lead == " (" else "")


def _read(body: bytes) -> tuple[str, str]:
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        return "", ""
    return _fields(parsed.get("error", parsed) if isinstance(parsed, dict) else parsed)


def _fields(error: object) -> tuple[str, str]:
    """(code or type, message) of an error object; servers disagree on its shape."""
    if isinstance(error, str):
        return "", error
    if not isinstance(error, dict):
        return "", ""
    code = error.get("code") or error.get("type") or ""
    return str(code), str(error.get("message") or "")
