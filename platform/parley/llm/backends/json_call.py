"""One question and one JSON answer, for what servers that speak the OpenAI dialect offer beside chats."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import httpx

from parley.llm.backends.faults import error_for_status, place
from parley.llm.errors import LlmError

_lock = threading.Lock()
_client: httpx.Client | None = None


def post_json(
    base_url: str,
    path: str,
    body: Mapping[str, Any],
    *,
    api_key: str | None,
    timeout: httpx.Timeout | float,
    headers: Mapping[str, str] | None = None,
    purpose: str,
) -> dict[str, Any]:
    """The object that a server answers with; synchronous. `purpose` ends “took too long to …”.

    Raises `LlmError`, `bad_response` for anything but a JSON object.
    """
    where = place(base_url)
    authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        response = _pool().post(
            f"{base_url.rstrip('/')}/{path}", json=body, headers={**(headers or {}), **authorization}, timeout=timeout
        )
    except httpx.TimeoutException as error:
        raise LlmError("timeout", f"{where} took too long to {purpose}. Try again.") from error
    except httpx.HTTPError as error:
        raise LlmError("unreachable", f"{where} cannot be reached. Check the address and the network.") from error
    if response.status_code != 200:
        raise error_for_status(
            response.status_code,
            response.content,
            base_url=base_url,
            model=str(body.get("model", "")),
            retry_after=response.headers.get("retry-after"),
        )
    try:
        reply = response.json()
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise LlmError("bad_response", f"{where} could not {purpose}: it sent no JSON object. Check the model's name.")
    return reply


def _pool() -> httpx.Client:
    global _client
    with _lock:
        if _client is None:
            _client = httpx.Client(follow_redirects=False, trust_env=False)
        return _client
