"""What becomes of a model's words on their way to the reader."""

from collections.abc import Sequence
from math import inf
from typing import Protocol

from apps.assistants.contracts import BoundCitation, Source
from apps.assistants.runtime.citations import CitationReader
from apps.assistants.runtime.quotes import bind_citations


class Answer(Protocol):
    """Takes deltas, gives the text to show. `text` is all that was given so far, joined.

    `is_enough` says that nothing more is wanted, `patience` how many seconds after the start to stop waiting.
    """

    @property
    def text(self) -> str: ...

    @property
    def is_enough(self) -> bool: ...

    @property
    def patience(self) -> float: ...

    def feed(self, delta: str) -> str: ...

    def finish(self) -> str: ...

    def citations(self) -> tuple[BoundCitation, ...]: ...


class PlainAnswer:
    """The model's own words and its own citations, the unknown ones removed."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._reader = CitationReader([source.number for source in sources])

    @property
    def text(self) -> str:
        """All text given so far."""
        return self._reader.text

    @property
    def is_enough(self) -> bool:
        """Never: the model says itself when it has ended."""
        return False

    @property
    def patience(self) -> float:
        """Endless: how long a model may take is its provider's matter."""
        return inf

    def feed(self, delta: str) -> str:
        """The text to show now; may be empty."""
        return self._reader.feed(delta)

    def finish(self) -> str:
        """The rest of the text."""
        return self._reader.finish()

    def citations(self) -> tuple[BoundCitation, ...]:
        """The sources cited so far, each with the sentence that was used."""
        return bind_citations(self.text, self._reader.cited, self._sources)
