"""The one gateway to models: what may be asked, what comes back, and the calls themselves."""

from parley.llm.calls import Backend, chat, embed, rerank, stream_chat
from parley.llm.errors import LlmError, LlmErrorKind
from parley.llm.events import ChatEvent, ChatResult, EmbedResult, Finished, FinishReason, RerankResult, TextDelta, Usage
from parley.llm.price_list import KnownContext, KnownPrice, known_context, known_price
from parley.llm.requests import (
    ChatMessage,
    ChatRequest,
    EmbedRequest,
    EmbedTarget,
    Grounding,
    GroundingSource,
    ModelTarget,
    RerankRequest,
    Timeouts,
)
from parley.llm.rerank_scores import rerank_tokens
from parley.llm.static_embedder import embed_statically
from parley.llm.tokens import count_tokens

__all__ = [
    "Backend",
    "ChatEvent",
    "ChatMessage",
    "ChatRequest",
    "ChatResult",
    "EmbedRequest",
    "EmbedResult",
    "EmbedTarget",
    "FinishReason",
    "Finished",
    "Grounding",
    "GroundingSource",
    "KnownContext",
    "KnownPrice",
    "LlmError",
    "LlmErrorKind",
    "ModelTarget",
    "RerankRequest",
    "RerankResult",
    "TextDelta",
    "Timeouts",
    "Usage",
    "chat",
    "count_tokens",
    "embed",
    "embed_statically",
    "known_context",
    "known_price",
    "rerank",
    "rerank_tokens",
    "stream_chat",
]
