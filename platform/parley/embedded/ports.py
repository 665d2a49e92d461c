"""Loopback ports: finding free ones, and saying who holds a taken one."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def find_free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on right now (all held until the last is found)."""
    holders = []
    try:
        for _ in range(count):
            holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            holders.append(holder)
            holder.bind((LOOPBACK, 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def find_free_port() -> int:
    """One port that nobody listens on right now."""
    return find_free_ports(1)[0]


def may_listen(host: str, port: int) -> bool:
    """Whether a server could bind this address now. Connections in TIME_WAIT do not count as taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def accepts_connections(port: int, *, timeout: float = 0.2) -> bool:
    """Whether something on this machine answers on the loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False
