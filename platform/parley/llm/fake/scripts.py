"""What the fake provider should do with one call: how many tokens, how fast, and how to fail."""

import re
from dataclasses import dataclass, replace
from typing import Literal, get_args

Fault = Literal[
    "refuse",
    "hang-first",
    "hang-after-20",
    "cut",
    "bad-json",
    "empty",
    "400",
    "401",
    "404",
    "429",
    "500",
    "503",
    "context",
    "filter",
    "error-event",
]
FAULTS: frozenset[str] = frozenset(get_args(Fault))


@dataclass(frozen=True, slots=True)
class Script:
    """One planned answer.

    `text` is streamed in whole words; without it `token_count` invented words are. Delays are seconds:
    `first_delay` before the first token (default: one `token_delay`), `token_delay` between tokens.
    `reported_*` override the usage that the provider claims; `reports_usage=False` withholds it.
    """

    text: str | None = None
    token_count: int = 20
    token_delay: float = 0.0
    first_delay: float | None = None
    fault: Fault | None = None
    fault_after: int = 20
    retry_after: str | None = "7"
    finish_reason: str = "stop"
    cites: bool = False
    reports_usage: bool = True
    reported_input_tokens: int | None = None
    reported_output_tokens: int | None = None
    reported_cached_tokens: int = 0
    dimensions: int = 384

    def tokens(self) -> list[str]:
        """The pieces to stream, in order; joined they are the whole answer."""
        if self.text is not None:
            return re.findall(r"\s*\S+\s*$|\s*\S+", self.text) if self.text.strip() else [self.text]
        return [_invented(position, cites=self.cites) for position in range(self.token_count)]


def _invented(position: int, *, cites: bool) -> str:
    ends_sentence = position % 10 == 9
    citation = " [1]" if cites and ends_sentence else ""
    return f"{' ' if position else ''}word{position}{citation}{'.' if ends_sentence else ''}"


def script_for(name: str) -> Script | None:
    """Read a script out of a model name, or None when the name is not one of ours.

    `fake`, then any of `-20tps` (tokens a second), `-100tok` (answer length), `-first500ms`, `-cite`,
    `-nousage`, and at most one fault: `fake-20tps-100tok`, `fake-hang-after-20`, `fake-429`.
    """
    if name != "fake" and not name.startswith("fake-"):
        return None
    script = Script()
    rest = name.removeprefix("fake").removeprefix("-")
    for fault in sorted(FAULTS, key=len, reverse=True):
        pattern = rf"(?:^|-){re.escape(fault)}(?:-|$)"
        if re.search(pattern, rest):
            rest = re.sub(pattern, "-", rest, count=1).strip("-")
            script = replace(script, fault=fault)  # type: ignore[arg-type]  # FAULTS holds exactly the literals
            break
    for word in filter(None, rest.split("-")):
        script = _with_word(script, word)
    return script


def _with_word(script: Script, word: str) -> Script:
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)tps", word):
        return replace(script, token_delay=1 / float(match[1]))
    if match := re.fullmatch(r"(\d+)tok", word):
        return replace(script, token_count=int(match[1]))
    if match := re.fullmatch(r"first(\d+)ms", word):
        return replace(script, first_delay=int(match[1]) / 1000)
    if match := re.fullmatch(r"(\d+)dim", word):
        return replace(script, dimensions=int(match[1]))
    if word == "cite":
        return replace(script, cites=True)
    if word == "nousage":
        return replace(script, reports_usage=False)
    return script
