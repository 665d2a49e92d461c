"""The companies a person can pick by name, with what each needs. Pure.

Only a convenience: any OpenAI-compatible address, and any provider LiteLLM knows, can be entered by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A company that offers models. `base_url` is None where LiteLLM knows the address itself."""

    key: str
    name: str
    kind: Literal["openai", "litellm"]
    base_url: str | None
    litellm_provider: str


def _dialect(key: str, name: str, base_url: str) -> KnownProvider:
    return KnownProvider(key, name, "openai", base_url, key)


def _translated(key: str, name: str) -> KnownProvider:
    return KnownProvider(key, name, "litellm", None, key)


KNOWN_PROVIDERS: tuple[KnownProvider, ...] = (
    _dialect("openai", "OpenAI", "https://api.openai.com/v1"),
    _translated("anthropic", "Anthropic"),
    _translated("gemini", "Google Gemini"),
    _dialect("mistral", "Mistral", "https://api.mistral.ai/v1"),
    _dialect("groq", "Groq", "https://api.groq.com/openai/v1"),
    _dialect("deepseek", "DeepSeek", "https://api.deepseek.com/v1"),
    _dialect("together_ai", "Together AI", "https://api.together.xyz/v1"),
    _dialect("openrouter", "OpenRouter", "https://openrouter.ai/api/v1"),
    _translated("cohere", "Cohere"),
)

_BY_ADDRESS = {entry.base_url: entry for entry in KNOWN_PROVIDERS if entry.base_url is not None}


def price_list_name(*, kind: str, litellm_provider: str, base_url: str) -> str | None:
    """The provider's name in the price list; None for a server of one's own, which has no list price."""
    if kind == "litellm":
        return litellm_provider if not base_url else None
    if not base_url:
        return "openai"
    known = _BY_ADDRESS.get(base_url.rstrip("/"))
    return known.litellm_provider if known is not None else None
