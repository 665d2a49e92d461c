"""What a model call gives back while it runs and when it ends."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `is_reported` is False when the provider said nothing and the counts are estimates.

    Cached, written-to-cache and image tokens are parts of the input, reasoning tokens of the output.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    is_reported: bool = True
    cache_write_tokens: int = 0
    image_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a stream that ended well."""

    reason: FinishReason
    usage: Usage


ChatEvent = TextDelta | Finished


@dataclass(frozen=True, slots=True)
class ChatResult:
    """A whole answer."""

    text: str
    usage: Usage
    reason: FinishReason


@dataclass(frozen=True, slots=True)
class RerankResult:
    """One score in [0, 1] per text, in the order of the texts: how well it answers the question."""

    scores: list[float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """One vector per text, in order; every vector has unit length when the model is the local one."""

    vectors: list[list[float]]
    usage: Usage
