"""Rerank models behind `POST …/rerank`, as Jina, Cohere, vLLM, TEI and llama.cpp's server offer them.

OpenAI has no such call; whoever speaks its dialect and reranks does it in this form.
"""

import threading
from typing import Any

import httpx

from parley.llm.backends.faults import error_for_status, place
from parley.llm.backends.openai_dialect import DEFAULT_BASE_URL
from parley.llm.errors import LlmError
from parley.llm.events import RerankResult, Usage
from parley.llm.guard import require_allowed
from parley.llm.requests import RerankRequest
from parley.llm.rerank_scores import read_scores
from parley.llm.tokens import count_tokens

_lock = threading.Lock()
_client: httpx.Client | None = None


def rerank(request: RerankRequest) -> RerankResult:
    """One score per text; synchronous; raises `LlmError`."""
    base_url = request.target.base_url or DEFAULT_BASE_URL
    require_allowed(base_url)
    where = place(base_url)
    reply = _post(request, base_url, where)
    try:
        rows = [(int(row["index"]), float(row["relevance_score"])) for row in reply["results"]]
        used = (reply.get("usage") or {}).get("total_tokens")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LlmError("bad_response", f"{where} sent something that is no order of passages.") from error
    tokens = used if isinstance(used, int) else rerank_tokens(request)
    scores = read_scores(rows, len(request.texts), where=where)
    return RerankResult(scores, Usage(tokens, 0, is_reported=isinstance(used, int)))


def rerank_tokens(request: RerankRequest) -> int:
    """Tokens that the call reads: such a model reads the question with every text."""
    question = count_tokens(request.question)
    return sum(question + count_tokens(text) for text in request.texts)


def _post(request: RerankRequest, base_url: str, where: str) -> Any:
    key = request.target.api_key
    body = {
        "model": request.target.model,
        "query": request.question,
        "documents": list(request.texts),
        "top_n": len(request.texts),
    }
    try:
        response = _pool().post(
            f"{base_url.rstrip('/')}/rerank",
            json=body,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=request.timeout_seconds,
        )
    except httpx.TimeoutException as error:
        raise LlmError("timeout", f"{where} took too long to put the passages in order.") from error
    except httpx.HTTPError as error:
        raise LlmError("unreachable", f"{where} cannot be reached. Check the address and the network.") from error
    if response.status_code != 200:
        raise error_for_status(
            response.status_code,
            response.content,
            base_url=base_url,
            model=request.target.model,
            retry_after=response.headers.get("retry-after"),
        )
    try:
        return response.json()
    except ValueError as error:
        raise LlmError("bad_response", f"{where} sent something that is no order of passages.") from error


def _pool() -> httpx.Client:
    global _client
    with _lock:
        if _client is None:
            _client = httpx.Client(follow_redirects=False, trust_env=False)
        return _client
