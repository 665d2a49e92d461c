"""Keeps the children running until it is told to stop.

One thread and no event loop: it sleeps until a signal arrives or something is due.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from parley.embedded.children import Child, Guardian, Program
from parley.embedded.console import Console
from parley.embedded.folder import DataFolder
from parley.embedded.problems import CannotStart

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# So many crashes before it was ever ready mean that it will not start.
_HOPELESS_CRASHES = 3
_PROBE_SECONDS = 0.05
_STARTING_SECONDS = 0.5
_IDLE_SECONDS = 30.0
_LONGEST_LOG = 20_000_000


class StopRequested(Exception):
    """A person or the system asked us to stop."""


class Supervisor:
    """Owns the children of one Parley."""

    def __init__(self, folder: DataFolder, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._children: list[Child] = []
        self._stop_requested = False
        self._guardian = Guardian()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)

    @contextmanager
    def running(self) -> Iterator[Supervisor]:
        """Within this, signals stop us in order; afterwards no child is left."""
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake us
        try:
            yield self
        finally:
            self._console.say("Stopping everything")
            self.stop_all()
            self._guardian.close()

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop_requested = True

    # -- starting ---------------------------------------------------------------

    def start(self, program: Program) -> Child:
        """Start a child and look after it from now on."""
        child = Child(program, self._folder.fresh_log(program.name), self._guardian)
        self._children.append(child)
        child.start()
        return child

    def wait_ready(self, *children: Child, seconds: float) -> None:
        """Wait until all are ready. Raises `CannotStart`, naming the log of a late one, `StopRequested`."""
        deadline = time.monotonic() + seconds
        while waiting := [child for child in children if not child.is_ready]:
            self._tend()
            late = waiting[0]
            hopeless = next((child for child in waiting if child.crashes >= _HOPELESS_CRASHES), None)
            if hopeless is not None:
                raise CannotStart(
                    f"The {hopeless.program.title} ended {hopeless.crashes} times before it was ready. "
                    f"Its log is {hopeless.log}:\n{hopeless.last_words()}"
                )
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"The {late.program.title} was not ready within {seconds:.0f} seconds. "
                    f"Its log is {late.log}:\n{late.last_words()}"
                )
            self._sleep(_PROBE_SECONDS)

    def run_once(self, program: Program) -> str:
        """Run a command to its end while tending the others; its output. Raises `CannotStart` if it fails."""
        child = self.start(program)
        try:
            while (code := child.notice_crash()) is None:
                self._tend(but=child)
                self._sleep(_PROBE_SECONDS)
        finally:
            self._children.remove(child)
            child.ask_to_stop()
            child.wait_stopped(time.monotonic() + child.program.patience)
        if code != 0:
            raise CannotStart(f"The {program.title} failed. Its log is {child.log}:\n{child.last_words(20)}")
        return child.log.read_text(errors="replace")

    # -- running ----------------------------------------------------------------

    def run_until_stopped(self) -> NoReturn:
        """Tend the children until a stop is requested. Raises `StopRequested`."""
        while True:
            self._tend()
            for child in self._children:
                child.trim_log(_LONGEST_LOG)
            self._sleep(self._seconds_until_due())

    def _tend(self, but: Child | None = None) -> None:
        if self._stop_requested:
            raise StopRequested
        for child in self._children:
            if child is not but:
                self._tend_child(child)

    def _tend_child(self, child: Child) -> None:
        pause = child.pause
        code = child.notice_crash()
        if code is not None:
            self._console.say(
                f"The {child.program.title} {_how_it_ended(code)}; starting it again in {pause:g} s. "
                f"Its last words are in {child.log}"
            )
        if child.restart_at is not None and time.monotonic() >= child.restart_at:
            child.start()
        if not child.is_ready and child.check_ready():
            self._console.say(f"The {child.program.title} is ready{' again' if child.crashes else ''}")

    def _seconds_until_due(self) -> float:
        waits = [child.restart_at - time.monotonic() for child in self._children if child.restart_at is not None]
        if any(not child.is_ready for child in self._children):
            waits.append(_STARTING_SECONDS)
        return max(0.0, min(waits, default=_IDLE_SECONDS))

    def _sleep(self, seconds: float) -> None:
        """Sleep until a signal arrives or the time is over."""
        if select.select([self._wake_reader], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, 4096)

    # -- stopping ---------------------------------------------------------------

    def stop_all(self) -> None:
        """Stop the children: first together those that serve, then together the servers they need."""
        for is_foundation in (False, True):
            leaving = [child for child in self._children if child.program.is_foundation is is_foundation]
            for child in leaving:
                child.ask_to_stop()
            now = time.monotonic()
            for child in leaving:
                child.wait_stopped(now + child.program.patience)
        self._children.clear()


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
