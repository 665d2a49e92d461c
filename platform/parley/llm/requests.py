"""What may be asked of a model: frozen, so that a request can be retried, logged by id and compared safely."""

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant"]
ChatBackendName = Literal["openai", "litellm", "extractive"]
EmbedBackendName = Literal["openai", "litellm", "local"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn as a model sees it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """Which model to call, and how to reach it. The key never appears in a repr."""

    backend: ChatBackendName
    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GroundingSource:
    """A numbered passage the answer may rest on; `number` is what `[n]` in the answer refers to."""

    number: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Grounding:
    """Question, passages and the sentence to say when they hold no answer. Only backends that quote read it."""

    question: str
    sources: tuple[GroundingSource, ...]
    refusal: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for the connection, the first token, each further token, and the whole answer."""

    connect: float = 5.0
    first_token: float = 20.0
    between_tokens: float = 30.0
    total: float = 300.0


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call of a chat model. `temperature=None` leaves the choice to the provider."""

    target: ModelTarget
    messages: tuple[ChatMessage, ...]
    max_output_tokens: int
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    grounding: Grounding | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True)
class EmbedTarget:
    """Which embedding model to call. `local` is the bundled MiniLM and needs neither address nor key."""

    backend: EmbedBackendName = "local"
    model: str = "all-MiniLM-L6-v2"
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to turn into vectors; some models embed questions and passages differently, hence `kind`."""

    target: EmbedTarget
    texts: tuple[str, ...]
    kind: Literal["query", "passage"] = "passage"
    # Of the whole call; None leaves it to the backend, which has patience.
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """Texts to be judged by how well each answers the question, within `timeout_seconds` for the whole call."""

    target: ModelTarget
    question: str
    texts: tuple[str, ...]
    timeout_seconds: float = 3.0
