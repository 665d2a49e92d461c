"""Ends the children of a supervisor that was killed before it could.

Runs as a process of its own, by file name and with the standard library alone, so that it stays small. It
reads `+<pid> <signal>` and `-<pid>` lines from the supervisor; when the pipe closes, whatever is still
noted is told to end, and after a few seconds killed with its whole group.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 5.0


def follow(lines: Iterable[str]) -> dict[int, int]:
    """The process groups (leader's pid → signal that ends it) still running when the lines stop."""
    alive: dict[int, int] = {}
    for line in lines:
        if line.startswith("+"):
            pid, number = line[1:].split()
            alive[int(pid)] = int(number)
        else:
            alive.pop(int(line[1:]), None)
    return alive


def end(alive: dict[int, int]) -> None:
    """Signal every group, wait for the groups to empty, kill what is left."""
    for pid, number in alive.items():
        _signal_group(pid, number)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(_signal_group(pid, 0) for pid in alive):
        time.sleep(0.1)
    for pid in alive:
        _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> bool:
    try:
        os.killpg(pid, number)
    except OSError:
        return False
    return True


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(follow(sys.stdin))


if __name__ == "__main__":
    main()
