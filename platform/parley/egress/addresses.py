"""Judges the addresses people name before anything is looked up, and every IP address a name leads to. Pure.

Forms that programs read differently (octal, userinfo, backslashes) are refused rather than understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, urlsplit

import idna

from parley.egress.allowance import Allowance
from parley.egress.errors import EgressRefused
from parley.egress.networks import Address, objection_to_address

_PORTS = {"http": 80, "https": 443}
_MAX_LENGTH = 4_096
_MAX_HOST_LENGTH = 253
# Spaces and control characters, and the backslash that some programs read as a slash.
_UNCLEAR = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_SAFE = "/%:@!$&'()*+,;=~-._?"


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be looked up. `literal` is set when the host is an IP address and no look-up is needed."""

    scheme: str
    host: str
    port: int
    path: str
    literal: Address | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What browsers call the origin: scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """The address in its one normal form, without fragment."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def judge_url(url: str, allowance: Allowance) -> Target:
    """Read an address and raise `EgressRefused` with a sentence unless Parley may look its host up."""
    if len(url) > _MAX_LENGTH:
        raise EgressRefused(f"The address is longer than {_MAX_LENGTH} characters.")
    if _UNCLEAR.search(url):
        raise EgressRefused("The address contains spaces, backslashes or invisible characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EgressRefused("This is not a valid address. It should look like https://www.example.com/page.") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise EgressRefused("The address must begin with https:// or http:// and name a server.")
    if "@" in parts.netloc:
        raise EgressRefused("Leave user name and password out of the address.")
    host, literal = _read_host(parts.hostname, is_bracketed="[" in parts.netloc)
    if host in _METADATA_NAMES:
        raise EgressRefused("This address belongs to the machine's own cloud and is never called.")
    port = _PORTS[parts.scheme] if port is None else port
    if port not in _PORTS.values() and not allowance.names(host, port):
        raise EgressRefused("Only the usual web ports 80 and 443 can be called.")
    path = quote(parts.path or "/", safe=_SAFE.replace("?", ""))
    if parts.query:
        path += "?" + quote(parts.query, safe=_SAFE)
    target = Target(parts.scheme, host, port, path, literal)
    if literal is not None:
        judge_address(literal, target, allowance)
    return target


def judge_address(address: Address, target: Target, allowance: Allowance) -> None:
    """Raise `EgressRefused` unless the address that a target's name led to may be connected to."""
    is_private_allowed = allowance.covers(address) or allowance.names(target.host, target.port)
    complaint = objection_to_address(address, is_private_allowed=is_private_allowed)
    if complaint is not None:
        raise EgressRefused(complaint)


def _read_host(text: str, *, is_bracketed: bool) -> tuple[str, Address | None]:
    """The host in its normal form, and its IP address when it is one."""
    if is_bracketed:
        try:
            six = IPv6Address(text)
        except ValueError:
            six = None
        if six is None or six.scope_id is not None:
            raise EgressRefused("The IPv6 address in brackets is not valid.")
        return str(six), six
    host = _to_ascii(text)
    if host == "localhost" or host.endswith(".localhost"):
        return host, IPv4Address("127.0.0.1")
    # No name ends in a number; short, octal, hexadecimal and decimal spellings of an IPv4 address do.
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            return host, ip_address(host)
        except ValueError:
            raise EgressRefused("Write an IP address as four plain numbers, for example 93.184.216.34.") from None
    return host, None


def _to_ascii(text: str) -> str:
    """Lower case, Unicode dots and digits made plain, international names in their ASCII form, no final dot."""
    host = text.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True, transitional=False).decode("ascii").lower()
        except (idna.IDNAError, UnicodeError):
            raise EgressRefused("The server's name in the address is not valid.") from None
    host = host.removesuffix(".")
    if len(host) > _MAX_HOST_LENGTH or not _NAME.fullmatch(host):
        raise EgressRefused("The server's name in the address is not valid.")
    return host
