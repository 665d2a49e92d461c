"""Tells an answer that only says that there is none. Pure."""

from apps.assistants.runtime.citations import strip_markers

_ENDS = " .!…\"'“”"


def is_refusal(text: str, refusal: str) -> bool:
    """Whether `text` is the assistant's refusal sentence and nothing else; marks at its ends do not count."""
    return _plain(text) == _plain(refusal)


def _plain(text: str) -> str:
    return " ".join(strip_markers(text).split()).strip(_ENDS).casefold()
