"""Starting child processes that never outlive their parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from parley.embedded.os_user import OsUser

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: the child may not import between fork and exec.
_prctl: Callable[..., int] | None = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: IO[bytes] | int,
    death_signal: signal.Signals = signal.SIGKILL,
    user: OsUser | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own that the kernel ends when we die (Linux; see also `guardian`).

    The kernel watches the *thread* that called this, so call it from one that lives as long as the program.
    `cwd` is entered before the identity changes: a `user` without rights may start in a folder to which no
    path leads for it. Raises OSError when the program cannot be started.
    """
    parent = os.getpid()

    def die_with_parent() -> None:
        if _prctl is None:
            return
        _prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return subprocess.Popen(
        list(argv),
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
        user=user.uid if user is not None else None,
        group=user.gid if user is not None else None,
        extra_groups=[] if user is not None else None,
    )


def stop_with_parent() -> None:
    """End in order when our own parent is killed (Linux): for parents that exist only for us, as make."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def stop(process: subprocess.Popen[bytes], sig: signal.Signals, *, patience: float) -> None:
    """Ask a process to end, wait `patience` seconds, then end its whole group."""
    if process.poll() is None:
        process.send_signal(sig)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    kill_group(process.pid)
    process.wait()


def kill_group(leader: int) -> None:
    """Kill whatever is left of the group that the process led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
