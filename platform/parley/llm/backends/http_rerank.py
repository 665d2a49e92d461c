"""Rerank models behind `POST …/rerank`, as Jina, Cohere, vLLM, TEI and llama.cpp's server offer them.

OpenAI has no such call; whoever speaks its dialect and reranks does it in this form.
"""

from parley.llm.backends.faults import place
from parley.llm.backends.json_call import post_json
from parley.llm.backends.openai_dialect import DEFAULT_BASE_URL
from parley.llm.errors import LlmError
from parley.llm.events import RerankResult, Usage
from parley.llm.guard import require_allowed
from parley.llm.requests import RerankRequest
from parley.llm.rerank_scores import read_scores, rerank_tokens


def rerank(request: RerankRequest) -> RerankResult:
    """One score per text; synchronous; raises `LlmError`."""
    base_url = request.target.base_url or DEFAULT_BASE_URL
    require_allowed(base_url)
    where = place(base_url)
    body = {
        "model": request.target.model,
        "query": request.question,
        "documents": list(request.texts),
        "top_n": len(request.texts),
    }
    reply = post_json(
        base_url,
        "rerank",
        body,
        api_key=request.target.api_key,
        timeout=request.timeout_seconds,
        purpose="put the passages in order",
    )
    try:
        rows = [(int(row["index"]), float(row["relevance_score"])) for row in reply["results"]]
        used = (reply.get("usage") or {}).get("total_tokens")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LlmError("bad_response", f"{where} sent something that is no order of passages.") from error
    tokens = used if isinstance(used, int) else rerank_tokens(request)
    scores = read_scores(rows, len(request.texts), where=where)
    return RerankResult(scores, Usage(tokens, 0, is_reported=isinstance(used, int)))
