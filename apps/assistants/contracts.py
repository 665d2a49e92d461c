"""What other apps may hold of an assistant: frozen values, no tables, no framework."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, Self
from uuid import UUID

from apps.gateway.contracts import ModelChoice, ModelChosen
from parley.llm import ChatMessage, FinishReason, TextDelta, Usage

__all__ = [
    "BoundCitation",
    "Estimate",
    "FewShot",
    "Finished",
    "ModelChosen",
    "PinnedBlock",
    "PublicAssistant",
    "RespondEvent",
    "Retrieved",
    "SentenceChecked",
    "Source",
    "TextDelta",
    "Turn",
    "Variable",
    "VariableSource",
    "VariableType",
    "VersionSpec",
]


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation, oldest first in any sequence of turns."""

    role: Literal["user", "assistant"]
    text: str


VariableType = Literal["text", "number", "boolean", "choice"]
VariableSource = Literal["visitor", "page", "api", "constant"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A declared variable of a prompt: `{{ name }}`.

    `source` says who may give its value: the visitor's browser (`visitor`, `page`), a program with a key (`api`), or
    nobody (`constant`: the default is the value). None as default stands for "unknown". `choices` are the words that
    a `choice` may be.
    """

    name: str
    type: VariableType = "text"
    source: VariableSource = "api"
    default: str | None = None
    choices: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {**asdict(self), "choices": list(self.choices)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`."""
        return cls(**{**data, "choices": tuple(data.get("choices", ()))})


@dataclass(frozen=True, slots=True)
class PinnedBlock:
    """The version of a prompt block that a prompt uses, with its text: `{{> slug }}`."""

    slug: str
    name: str
    number: int
    text: str


# What becomes of sentences that the passages do not support: nothing is looked at; they are marked; they are left out
# and said anew once; the answer ends with the refusal.
GroundingPolicy = Literal["off", "annotate", "rewrite", "refuse"]


@dataclass(frozen=True, slots=True)
class FewShot:
    """A question with the answer it should get."""

    question: str
    answer: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionSpec:
    """Everything the answering engine needs to know about one state of an assistant.

    `version_id` and `number` are None for a draft. Without `model_id` and `route_id` the tenant's chat route answers;
    a model has precedence. Documents with access
    tags are used only with one of `access_tags`, and all only where they fit the `metadata_filter`.
    """

    version_id: UUID | None
    assistant_id: UUID
    assistant_slug: str
    number: int | None
    name: str
    instructions: str
    model_id: UUID | None
    knowledge_base_ids: tuple[UUID, ...]
    temperature: float | None
    max_output_tokens: int
    refusal: str
    opening_message: str
    suggested_questions: tuple[str, ...] = ()
    snapshot_ids: tuple[UUID, ...] = ()
    access_tags: tuple[str, ...] = ()
    metadata_filter: Mapping[str, Any] | None = None
    # Whether its model may be asked to say a follow-up question so that it makes sense alone.
    rewrites_follow_ups: bool = False
    route_id: UUID | None = None
    # Parts of the prompt beside the instructions; all of them are templates.
    role: str = ""
    tone: str = ""
    rules: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    blocks: tuple[PinnedBlock, ...] = ()
    # Those most like a question are shown with it, within `example_tokens`.
    examples: tuple[FewShot, ...] = ()
    example_tokens: int = 0
    # What one conversation knows of the variables, by source. Never part of a stored state.
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    grounding: GroundingPolicy = "off"

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe form, so that a run can freeze the exact state it was planned with (also a draft's)."""
        data = asdict(self)
        for name in ("version_id", "assistant_id", "model_id", "route_id"):
            data[name] = str(data[name]) if data[name] else None
        data["knowledge_base_ids"] = [str(base) for base in self.knowledge_base_ids]
        data["suggested_questions"] = list(self.suggested_questions)
        data["snapshot_ids"] = [str(snapshot) for snapshot in self.snapshot_ids]
        data["access_tags"] = list(self.access_tags)
        data["rules"] = list(self.rules)
        data["variables"] = [variable.as_dict() for variable in self.variables]
        data["blocks"] = [asdict(block) for block in self.blocks]
        data["examples"] = [{**asdict(example), "tags": list(example.tags)} for example in self.examples]
        del data["given"]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`."""
        values = dict(data)
        for name in ("version_id", "assistant_id", "model_id", "route_id"):
            values[name] = UUID(values[name]) if values.get(name) else None
        values["knowledge_base_ids"] = tuple(UUID(base) for base in values["knowledge_base_ids"])
        values["suggested_questions"] = tuple(values.get("suggested_questions", ()))
        values["snapshot_ids"] = tuple(UUID(snapshot) for snapshot in values.get("snapshot_ids", ()))
        values["access_tags"] = tuple(values.get("access_tags", ()))
        values["rules"] = tuple(values.get("rules", ()))
        values["variables"] = tuple(Variable.from_dict(one) for one in values.get("variables", ()))
        values["blocks"] = tuple(PinnedBlock(**one) for one in values.get("blocks", ()))
        values["examples"] = tuple(FewShot(**{**one, "tags": tuple(one["tags"])}) for one in values.get("examples", ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Source:
    """A numbered passage of one answer: `[number]` in the answer's text means exactly this passage.

    `text` is the passage as it was found; a model with a small window may have read only its best sentences.
    """

    number: int
    chunk_id: UUID
    document_id: UUID
    title: str
    text: str
    location: str
    score: float
    headings: tuple[str, ...] = ()
    # An approved answer to the very question: it is said as it stands, and no model is asked.
    is_curated: bool = False
    # In [0, 1]; compares across questions, as `score` does not.
    relevance: float | None = None
    # The web page it stands on; empty for what was not fetched from one.
    url: str = ""


@dataclass(frozen=True, slots=True)
class BoundCitation:
    """The marker `[marker]` of an answer, its source, and the sentence of it that the answer leans on."""

    marker: int
    source: Source
    quote: str | None


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages the answer may cite; empty when nothing was searched or found.

    `query` is what was searched for, None when nothing was. `messages` are exactly what a model will be sent; none
    when none is asked.
    """

    sources: tuple[Source, ...]
    query: str | None = None
    messages: tuple[ChatMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class SentenceChecked:
    """What the passages say about one sentence of the answer: supported, unsupported or contradicted.

    `suspicion` orders sentences, 0 is none; `word` is the one it is about. `markers` are the passages it was held
    against, all when it names none. A sentence that is not shown was left out of the answer.
    """

    sentence: str
    verdict: str
    suspicion: float
    word: str | None
    markers: tuple[int, ...]
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer. `text` equals all deltas joined.

    `call_id` and `choice` are None when no model was asked (nothing found, a greeting, an approved answer): there is
    nothing to settle then, and a hold taken for the answer is to be released.
    """

    text: str
    citations: tuple[BoundCitation, ...]
    call_id: UUID | None
    usage: Usage
    reason: FinishReason
    choice: ModelChoice | None
    # In order; empty when the version has them unchecked.
    checks: tuple[SentenceChecked, ...] = ()


RespondEvent = Retrieved | ModelChosen | TextDelta | SentenceChecked | Finished


class Estimate(NamedTuple):
    """Upper bound of what one answer may use, in tokens, known before anything is searched."""

    input_tokens: int
    max_output_tokens: int


@dataclass(frozen=True, slots=True)
class PublicAssistant:
    """What a visitor's door may know of an assistant it found by its public id, before any tenant is open."""

    tenant_id: UUID
    assistant_id: UUID
    slug: str
    name: str
    is_public: bool
    is_paused: bool
    allowed_origins: tuple[str, ...]
    is_published: bool
