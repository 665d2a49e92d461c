"""What a person sees while Parley starts: one line per step, and a box at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Console:
    """Prints to standard output, which `--detach` sends to a file that the starting terminal follows."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
        self._is_plain = not encoding.startswith("utf")

    def say(self, sentence: str) -> None:
        """One line with the seconds since the start."""
        print(f"  {time.monotonic() - self._started_at:6.1f} s  {sentence}", flush=True)

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Announce something that takes a while, and its end."""
        self.say(f"{doing} …" if not self._is_plain else f"{doing} ...")
        yield
        self.say(done)

    def box(self, lines: Sequence[str]) -> None:
        """The lines in a frame, easy to find in a full terminal."""
        width = max(len(line) for line in lines)
        corners, across, down = ("++++", "-", "|") if self._is_plain else ("╭╮╰╯", "─", "│")
        print()
        print(f"{corners[0]}{across * (width + 4)}{corners[1]}")
        for line in lines:
            print(f"{down}  {line.ljust(width)}  {down}")
        print(f"{corners[2]}{across * (width + 4)}{corners[3]}", flush=True)
