"""One supervised program: started, watched, restarted with back-off, stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from parley.embedded import guardian
from parley.embedded.os_user import OsUser
from parley.embedded.processes import kill_group, spawn

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
# A program that ran this long is healthy: its next crash starts the back-off from the beginning.
_HEALTHY_SECONDS = 60.0


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    `name` names the log file, `title` is what people read; foundations are stopped last. It is ready when
    `is_ready` says so and, if `ready_words` are given, when its log has them.
    """

    name: str
    title: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    is_ready: Callable[[], bool] = _always
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    patience: float = 10.0
    user: OsUser | None = None
    is_foundation: bool = False
    ready_words: str | None = None


class Guardian:
    """Our end of the pipe to the process that ends the children when we cannot."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            text=True,
            cwd="/",
            env={},
            start_new_session=True,
        )

    def note(self, pid: int, death_signal: signal.Signals) -> None:
        self._tell(f"+{pid} {int(death_signal)}")

    def forget(self, pid: int) -> None:
        self._tell(f"-{pid}")

    def close(self) -> None:
        """Let it go; it ends what is still noted."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        # If somebody killed it: the kernel's own signal (see `spawn`) still ends the children on Linux.
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self._process.stdin, flush=True)


class Child:
    """A program's process through all its restarts."""

    def __init__(self, program: Program, log: Path, watcher: Guardian) -> None:
        self.program = program
        self.log = log
        self.crashes = 0
        self.is_ready = False
        self.restart_at: float | None = None
        self._watcher = watcher
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process; its words go to the end of its log."""
        self.restart_at = None
        self.is_ready = False
        self._started_at = time.monotonic()
        program = self.program
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as output:
            self._log_start = output.seek(0, os.SEEK_END)
            self._process = spawn(
                program.argv,
                env=program.env,
                cwd=program.cwd,
                output=output,
                death_signal=program.death_signal,
                user=program.user,
            )
        self._watcher.note(self._process.pid, program.death_signal)

    def check_ready(self) -> bool:
        """Ask whether it is ready now; a yes holds until the next start."""
        if not self.is_ready and self._process is not None:
            self.is_ready = self.program.is_ready() and self._has_said_so()
        return self.is_ready

    def _has_said_so(self) -> bool:
        words = self.program.ready_words
        if words is None:
            return True
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return words.encode() in log.read()

    def trim_log(self, most_bytes: int) -> None:
        """Move a log that has grown too long aside. The child goes on writing to the emptied file."""
        if self.log.exists() and self.log.stat().st_size > most_bytes:
            shutil.copyfile(self.log, self.log.with_name(f"{self.log.name}.1"))
            os.truncate(self.log, 0)
            self._log_start = 0

    def notice_crash(self) -> int | None:
        """The exit code if the process has ended since last asked; plans its restart."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        self._clear()
        self.is_ready = False
        if time.monotonic() - self._started_at > _HEALTHY_SECONDS:
            self.crashes = 0
        self.restart_at = time.monotonic() + self.pause
        self.crashes += 1
        return code

    @property
    def pause(self) -> float:
        """Seconds before the next start, doubling with every crash in a row."""
        return min(_FIRST_PAUSE * 2.0**self.crashes, _LONGEST_PAUSE)

    def ask_to_stop(self) -> None:
        self.restart_at = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.program.stop_signal)

    def wait_stopped(self, deadline: float) -> None:
        """Wait until `deadline` (monotonic), then kill; nothing of its group is left afterwards."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._clear()

    def last_words(self, count: int = 12) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return ""

    def _clear(self) -> None:
        assert self._process is not None
        kill_group(self._process.pid)
        self._watcher.forget(self._process.pid)
        self._process = None
