"""Which IP addresses are the public internet. Pure, and a list of its own: Python's `is_global` changes by version."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network

Address = IPv4Address | IPv6Address

# Where clouds hand credentials to whoever asks from inside: never, whatever an operator allows.
_METADATA = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::/32",
            "fd20:ce::254/128",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "168.63.129.16/32",
        ),
    )
)
_NO_SERVER = tuple(map(ip_network, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")))
_NOT_PUBLIC_4 = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
        ),
    )
)
# Of IPv6 only this part is given out; inside it, tunnels (Teredo, 6to4), documentation and tests are not servers.
_GIVEN_OUT_6 = ip_network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64 = ip_network("64:ff9b::/96")


def objection_to_address(address: Address, *, is_private_allowed: bool = False) -> str | None:
    """A sentence when Parley must not connect to this address, else None.

    An address that carries another one inside is judged by both, because the connection would end at the inner one.
    """
    for one in _with_inner(address):
        if any(one in network for network in _METADATA):
            return "This address belongs to the machine's own cloud and is never called."
        if any(one in network for network in _NO_SERVER):
            return "This address does not belong to a server."
        if not is_private_allowed and not _is_public(one):
            return "This address is inside a private network, which Parley does not call."
    return None


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)
    if address.ipv4_mapped is not None or address in _NAT64:
        return True  # Judged by the address inside.
    return address in _GIVEN_OUT_6 and address.is_global and not any(address in network for network in _NOT_PUBLIC_6)


def _with_inner(address: Address) -> Iterator[Address]:
    """The address itself and what mapped, NAT64, 6to4, Teredo and IPv4-compatible ones carry."""
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    # "::" and "::1" are not IPv4 addresses in disguise.
    if address in _NAT64 or 1 < int(address) <= 0xFFFFFFFF:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
