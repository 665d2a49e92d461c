"""What the operator opens beyond the public internet: `PARLEY_EGRESS_ALLOW`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from parley.egress.networks import Address


@dataclass(frozen=True, slots=True)
class Allowance:
    """Private networks on the usual ports, and single servers on a port of their own."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    endpoints: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Allowance:
        """Read entries like `10.20.0.0/16`, `wiki.intern:8080` or `[::1]:9000`. Raises ValueError for others."""
        networks: list[IPv4Network | IPv6Network] = []
        endpoints: set[tuple[str, int]] = set()
        for entry in entries:
            if "/" in entry:
                networks.append(ip_network(entry))
                continue
            parts = urlsplit(f"//{entry}")
            if not parts.hostname or not parts.port or parts.username is not None:
                raise ValueError(f"PARLEY_EGRESS_ALLOW: {entry!r} is neither a network (10.0.0.0/8) nor host:port.")
            endpoints.add((_canonical(parts.hostname), parts.port))
        return cls(tuple(networks), frozenset(endpoints))

    def names(self, host: str, port: int) -> bool:
        """Whether the operator listed exactly this server and port."""
        return (host, port) in self.endpoints

    def covers(self, address: Address) -> bool:
        """Whether an address lies in a network the operator opened."""
        return any(address in network for network in self.networks)


def _canonical(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")
