"""Token counts for providers that report none."""

from parley.llm.events import Usage
from parley.llm.requests import ChatMessage
from parley.llm.tokens import count_tokens

_TOKENS_PER_MESSAGE = 4
_CHARACTERS_PER_TOKEN = 4


def estimated_usage(messages: tuple[ChatMessage, ...], *, deltas: int, characters: int) -> Usage:
    """An estimate of one call's usage, marked as such.

    Servers stream about one token per delta; some bundle several, which the length shows.
    """
    read = sum(count_tokens(message.content) + _TOKENS_PER_MESSAGE for message in messages)
    return Usage(read, max(deltas, characters // _CHARACTERS_PER_TOKEN), is_reported=False)
