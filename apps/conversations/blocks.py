"""Finished blocks of a growing answer as HTML, so that a page shows lists and code before the answer ends."""

from __future__ import annotations

from parley.web.markdown import render_markdown

_FENCES = ("```", "~~~")


class BlockRenderer:
    """Takes an answer's text as it grows and gives each paragraph, list or code block once it is closed."""

    def __init__(self) -> None:
        self._text = ""
        self._done = 0
        self._index = 0

    def reset(self, text: str) -> None:
        """Start again from a snapshot."""
        self._text, self._done, self._index = text, 0, 0

    def feed(self, text: str) -> None:
        """The next words."""
        self._text += text

    def closed(self) -> list[dict[str, object]]:
        """Blocks closed since the last call: index, HTML, and how many UTF-16 units of the text they cover."""
        blocks: list[dict[str, object]] = []
        while (end := self._next_end()) > self._done:
            html = str(render_markdown(self._text[self._done : end]))
            self._done = end
            covered = len(self._text[:end].encode("utf-16-le", "surrogatepass")) // 2
            blocks.append({"index": self._index, "html": html, "covered": covered})
            self._index += 1
        return blocks

    def _next_end(self) -> int:
        end = self._text.find("\n\n", self._done)
        while end >= 0:
            block = self._text[self._done : end]
            # A list may go on after an empty line, and a fence must be closed.
            following = self._text[end + 2 : end + 3]
            if following and not following.isspace() and not _is_fence_open(block):
                return end + 2
            end = self._text.find("\n\n", end + 1)
        return self._done


def _is_fence_open(block: str) -> bool:
    lines = [line.lstrip() for line in block.split("\n")]
    return any(sum(line.startswith(fence) for line in lines) % 2 for fence in _FENCES)
