"""Starting Parley in the background and stopping it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from parley.embedded.folder import DataFolder
from parley.embedded.problems import AlreadyRunning, CannotStart

# Set by a parent that exists only for us (make): killing it must stop us as Ctrl-C would.
STOP_WITH_PARENT = "PARLEY_STOP_WITH_PARENT"
_DOWN_SECONDS = 60.0
_LOOK_SECONDS = 0.1


def start_detached(data: Path, arguments: Sequence[str]) -> None:
    """Run `python <arguments>` in its own session and show its progress until ready. Raises `CannotStart`."""
    folder = DataFolder(data)
    if folder.who_runs() is not None:
        raise AlreadyRunning(folder.running_sentence())
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder.fresh_log("up")
    environment = {name: value for name, value in os.environ.items() if name != STOP_WITH_PARENT}
    with log.open("wb") as output:
        log.chmod(0o600)
        supervisor = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment | {"PYTHONIOENCODING": sys.stdout.encoding or "utf-8"},
            start_new_session=True,
        )
    try:
        _follow(supervisor, log, folder)
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        raise CannotStart("Stopped before Parley was ready.") from None


def _follow(supervisor: subprocess.Popen[bytes], log: Path, folder: DataFolder) -> None:
    with log.open(encoding=sys.stdout.encoding or "utf-8", errors="replace") as lines:
        while True:
            has_ended = supervisor.poll() is not None
            running = folder.who_runs()
            is_ready = running is not None and running.is_ready and running.pid == supervisor.pid
            sys.stdout.write(lines.read())
            sys.stdout.flush()
            if is_ready:
                return
            if has_ended:
                raise CannotStart("Parley did not start; the reason is above.")
            time.sleep(_LOOK_SECONDS)


def bring_down(data: Path) -> str:
    """Stop the Parley that runs from the folder and wait until it has; a sentence says what happened."""
    folder = DataFolder(data)
    running = folder.who_runs()
    if running is None:
        return f"No Parley runs from {folder.path}."
    try:
        os.kill(running.pid, signal.SIGTERM)
    except PermissionError as error:
        raise CannotStart(f"The Parley with pid {running.pid} belongs to another user.") from error
    except ProcessLookupError:
        pass
    deadline = time.monotonic() + _DOWN_SECONDS
    while folder.who_runs() is not None:
        if time.monotonic() > deadline:
            raise CannotStart(f"Parley (pid {running.pid}) did not stop within {_DOWN_SECONDS:.0f} seconds.")
        time.sleep(_LOOK_SECONDS)
    return "Parley has stopped."
