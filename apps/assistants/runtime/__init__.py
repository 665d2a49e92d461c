"""The answering engine: it yields events and writes nothing, so that every door can use the same one."""

from apps.assistants.runtime.prompt import estimate
from apps.assistants.runtime.refusal import is_refusal
from apps.assistants.runtime.respond import respond

__all__ = ["estimate", "is_refusal", "respond"]
