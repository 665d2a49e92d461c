"""Connects to exactly the addresses that were judged, so that a name cannot change its mind in between."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpcore

from parley.egress.addresses import Target, judge_address
from parley.egress.allowance import Allowance
from parley.egress.errors import EgressFailed
from parley.egress.networks import Address

Resolve = Callable[[str, int], Sequence[Address]]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock after which nothing may wait any longer."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment so many seconds from now."""
        return cls(time.monotonic() + seconds)

    def limit(self, timeout: float | None, late: type[Exception]) -> float:
        """The shorter of a timeout and what is left, in seconds. Raises `late` when nothing is left."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise late("the deadline has passed")
        return left if timeout is None else min(left, timeout)


def resolve(host: str, port: int) -> Sequence[Address]:
    """Every address of a name, as the machine's resolver knows them. Raises OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # Scoped IPv6 addresses carry their interface after a percent sign.
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class JudgedBackend(httpcore.NetworkBackend):
    """Looks the target's name up once, judges every address found and dials only those."""

    def __init__(
        self,
        target: Target,
        *,
        allowance: Allowance,
        deadline: Deadline,
        resolve: Resolve,
        dialler: httpcore.NetworkBackend,
    ) -> None:
        self._target = target
        self._allowance = allowance
        self._deadline = deadline
        self._resolve = resolve
        self._dialler = dialler

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first judged address that answers. Raises `EgressRefused` when any may not be called."""
        limit = Deadline.after(self._deadline.limit(timeout, httpcore.ConnectTimeout))
        failure: Exception | None = None
        for address in self._judged(limit):
            try:
                stream = self._dialler.connect_tcp(
                    str(address),
                    self._target.port,
                    limit.limit(None, httpcore.ConnectTimeout),
                    local_address,
                    socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure or httpcore.ConnectError("the name has no address")

    def _judged(self, limit: Deadline) -> Sequence[Address]:
        if self._target.literal is not None:
            addresses: Sequence[Address] = [self._target.literal]
        else:
            addresses = self._look_up(limit.limit(None, httpcore.ConnectTimeout))
        for address in addresses:
            judge_address(address, self._target, self._allowance)
        return addresses

    def _look_up(self, seconds: float) -> Sequence[Address]:
        # The system's resolver knows no timeout; a thread that nobody waits for does.
        answers: queue.SimpleQueue[Sequence[Address] | None] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(self._target.host, self._target.port))
            except (OSError, ValueError):
                answers.put(None)

        threading.Thread(target=ask, name="egress-resolver", daemon=True).start()
        try:
            found = answers.get(timeout=seconds)
        except queue.Empty:
            raise httpcore.ConnectTimeout("the name was not found in time") from None
        if not found:
            raise EgressFailed(f"There is no server called {self._target.host}.", reason="unreachable")
        return found


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every wait also ends at the request's deadline, however slowly bytes drip."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.limit(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.limit(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limit = self._deadline.limit(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, limit), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
