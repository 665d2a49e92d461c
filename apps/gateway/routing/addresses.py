"""Which addresses a provider may have. Pure: the caller resolves names.

Addresses are typed by people of a tenant, so they could point at what only this server can reach.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

# Where clouds hand credentials to whoever asks from inside: never, whatever the settings say.
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_METADATA_NETWORKS = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::254/128",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "168.63.129.16/32",
        ),
    )
)
_NAT64 = ip_network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


def objection_to_url(url: str) -> str | None:
    """A sentence when the text is not a plain http(s) address of a server, else None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is not a valid address. It should look like https://api.example.com/v1."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "The address must begin with https:// or http:// and name a server."
    if parts.username is not None or parts.password is not None:
        return "Leave user name and password out of the address; the key has its own field."
    if parts.query or parts.fragment:
        return "Leave ? and # out of the address: Parley adds the path of each call to it."
    if port == 0:
        return "The port of the address is not valid."
    if _is_metadata_name(parts.hostname):
        return "This address belongs to the machine's own cloud and cannot be a model provider."
    return None


def hostname_of(url: str) -> str:
    """The server's name in an address that has passed `objection_to_url`."""
    return urlsplit(url).hostname or ""


def literal_address(hostname: str) -> Address | None:
    """The IP address a host name spells out, also in the old decimal, octal and hexadecimal forms."""
    try:
        return ip_address(hostname)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(hostname))
    except OSError:
        return None


def objection_to_addresses(addresses: Iterable[Address], *, is_private_allowed: bool) -> str | None:
    """A sentence when one of a server's addresses must not be called, else None."""
    for address in map(_unwrap, addresses):
        if any(address in network for network in _METADATA_NETWORKS):
            return "This address belongs to the machine's own cloud and cannot be a model provider."
        if address.is_multicast or address.is_unspecified or (address.is_reserved and not address.is_loopback):
            return "This address does not belong to a server."
        if not is_private_allowed and not address.is_global:
            return (
                "This address is inside a private network, which providers here may not have. "
                "Whoever runs it can set PARLEY_ALLOW_PRIVATE_PROVIDERS=1."
            )
    return None


def _is_metadata_name(hostname: str) -> bool:
    return hostname.lower().rstrip(".") in _METADATA_NAMES


def _unwrap(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, 6to4, NAT64), which is where a connection would end."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
