"""Reads a chat completion request: which assistant, which question, which history, how much."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from apps.conversations.frames import clean
from apps.conversations.services.given import Given, read_given
from parley.errors import Invalid

MAX_MESSAGES = 200
MAX_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class ChatCompletion:
    """What a request asks for. `overrides` is what the run does differently from the assistant's version."""

    model: str
    question: str
    overrides: dict[str, Any]
    given: Given
    is_stream: bool
    includes_usage: bool


def read_request(body: bytes) -> ChatCompletion:
    """Parse and check a body. Raises `Invalid` naming the field.

    `variables` is an addition to the dialect: values for the prompt's variables.

    System and developer messages are added to the assistant's own instructions, they never replace them. Fields
    that have no meaning here (penalties, seed, user, …) are ignored, those that would change the answer's shape
    (`n`, tools) are refused.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not valid JSON.") from error
    if not isinstance(data, dict):
        raise Invalid("Send a JSON object.")
    model = data.get("model")
    if not isinstance(model, str) or not model or model != clean(model):
        raise _invalid("model", "Name the assistant to talk to by its slug.")
    if data.get("n") not in (None, 1):
        raise _invalid("n", "Only one choice per request is possible.")
    if data.get("tools") or data.get("functions"):
        raise _invalid("tools", "Tools are part of an assistant and cannot be sent with a request.")
    system, turns = _read_messages(data.get("messages"))
    if not turns or turns[-1]["role"] != "user":
        raise _invalid("messages", "The last message must be the user's.")
    options = data.get("stream_options")
    return ChatCompletion(
        model=model,
        question=turns[-1]["text"],
        overrides={
            "history": turns[:-1],
            "instructions": "\n\n".join(system),
            "max_output_tokens": _positive(data, "max_completion_tokens") or _positive(data, "max_tokens"),
            "temperature": _temperature(data),
        },
        given=read_given(data, sources=("api",)),
        is_stream=data.get("stream") is True,
        includes_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _read_messages(value: Any) -> tuple[list[str], list[dict[str, str]]]:
    if not isinstance(value, list) or not value or len(value) > MAX_MESSAGES:
        raise _invalid("messages", f"Send between 1 and {MAX_MESSAGES} messages.")
    system: list[str] = []
    turns: list[dict[str, str]] = []
    for message in value:
        role = message.get("role") if isinstance(message, dict) else None
        if role in ("system", "developer"):
            system.append(_text(message))
        elif role in ("user", "assistant"):
            turns.append({"role": role, "text": _text(message)})
        else:
            raise _invalid("messages", f"A message has the role {role!r}; system, user and assistant are possible.")
    if sum(map(len, system)) + sum(len(turn["text"]) for turn in turns) > MAX_CHARACTERS:
        raise _invalid("messages", f"All messages together may have at most {MAX_CHARACTERS:,} characters.")
    return system, turns


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if content is None:
        return ""
    if isinstance(content, str):
        return clean(content)
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return clean("".join(str(part.get("text", "")) for part in content))
    raise _invalid("messages", "Only text can be sent.")


def _positive(data: dict[str, Any], name: str) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _invalid(name, "Must be a whole number above 0.")
    return value


def _temperature(data: dict[str, Any]) -> float | None:
    value = data.get("temperature")
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 2:
        raise _invalid("temperature", "Must be between 0 and 2.")
    return float(value)


def _invalid(field: str, sentence: str) -> Invalid:
    return Invalid("The request is not valid.", errors={field: [sentence]})
