"""One fork of the sandbox: it waits, warm, for the only file it will ever read, and is watched while it reads (L-14).

It is made while the file before it is being read, so that nobody waits for the fork or for its first touch of memory.
It holds nothing but its own lines: of other files neither bytes nor descriptors.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, NoReturn

from apps.knowledge.ingest import limits

MAX_REQUEST_BYTES = 65_536
_DONE = b"1"
_FIRST_OWN_DESCRIPTOR = 3


class Fork:
    """A child process, the line over which it takes its file and says that it is read, and a pipe.

    The pipe reads as closed when the child has ended; a byte from it asks for more time. `helper` is the line to
    the text recognition that the child was given, None when there is none.
    """

    def __init__(
        self,
        helper: socket.socket | None,
        prepare: Callable[[socket.socket | None, int], None],
        read: Callable[[bytes, int, int], None],
    ) -> None:
        """Start it. It calls `prepare(helper, pipe)`, waits, calls `read(request, source, target)` and ends."""
        self.helper = helper
        self._status: int | None = None
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._alive, held = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _live(theirs, held, helper, prepare, read)
        theirs.close()
        os.close(held)

    def take(self, request: bytes, source: int, target: int) -> None:
        """Hand the file over. Raises OSError when the child is gone."""
        socket.send_fds(self._line, [request], [source, target])

    def watch(self, owner: socket.socket, seconds: float) -> dict[str, Any]:
        """Wait for whatever comes first. `outcome` is `done`, `crashed` (with `signal`), `timeout` or `abandoned`."""
        ended = self._wait(owner, seconds)
        if ended != "ended":
            # Also when it is done: whatever a file made of the child must not stay.
            os.kill(self._pid, signal.SIGKILL)
            return {"outcome": ended}
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status := self._reap()) else 0
        return {"outcome": "timeout" if number == signal.SIGXCPU else "crashed", "signal": number}

    def close(self) -> None:
        """Nothing of it stays."""
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
            self._reap()
        self._line.close()
        os.close(self._alive)

    def _reap(self) -> int:
        if self._status is None:
            _, self._status = os.waitpid(self._pid, 0)
        return self._status

    def _wait(self, owner: socket.socket, seconds: float) -> str:
        started = time.monotonic()
        deadline = started + seconds
        while (left := deadline - time.monotonic()) > 0:
            watched = [self._line.fileno(), self._alive, owner.fileno()]
            readable, _, _ = select.select(watched, [], [], left)
            if self._line.fileno() in readable and self._line.recv(1) == _DONE:
                return "done"
            if self._alive in readable:
                asked = len(os.read(self._alive, 4096))
                if not asked:
                    return "ended"
                # Text recognition works elsewhere, so the child's own limit of CPU time stays.
                more = deadline + asked * limits.OCR_PAGE_SECONDS
                deadline = min(more, started + limits.SANDBOX_MOST_WALL_SECONDS)
            if owner.fileno() in readable:
                return "abandoned"
        return "timeout"


def _live(
    line: socket.socket,
    held: int,
    helper: socket.socket | None,
    prepare: Callable[[socket.socket | None, int], None],
    read: Callable[[bytes, int, int], None],
) -> NoReturn:
    """The child. It leaves without running any clean-up of its parent's."""
    try:
        _close_all_but(line.fileno(), held, *([helper.fileno()] if helper else []))
        prepare(helper, held)
        request, descriptors, _, _ = socket.recv_fds(line, MAX_REQUEST_BYTES, 2)
        if request:
            read(request, descriptors[0], descriptors[1])
            os.write(line.fileno(), _DONE)
        os._exit(0)
    except BaseException:
        os._exit(70)


def _close_all_but(*kept: int) -> None:
    low = _FIRST_OWN_DESCRIPTOR
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
