"""Cuts a byte stream into server-sent events' data, with as little work per token as Python allows."""

from parley.llm.errors import LlmError

# A single event larger than this is not a token; it is a broken or hostile server.
MAX_EVENT_BYTES = 1_048_576


class SseLines:
    """Feed bytes as they come; get the `data:` payloads of the complete lines.

    Only what model providers send is read: one `data:` line per event. Comments, `event:` and `id:` are skipped.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, block: bytes) -> list[bytes]:
        """The payloads completed by `block`, in order. Raises `LlmError` when one line exceeds 1 MiB."""
        if self._rest:
            block = self._rest + block
        # The usual block is exactly one event: "data: {…}\n\n".
        if block[-1:] == b"\n":
            self._rest = b""
            lines = block.split(b"\n")
        else:
            *lines, self._rest = block.split(b"\n")
            if len(self._rest) > MAX_EVENT_BYTES:
                raise LlmError("bad_response", "The model provider sent a line that is too long to be an answer.")
        return [line[5:].strip() for line in lines if line[:5] == b"data:"]
