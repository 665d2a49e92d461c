"""The demo's sign-in, derived from the installation's secret: the same each time, stored nowhere in plain text."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

EMAIL = "demo@parley.example"
# No letters or digits that are mistaken for each other: people type this password.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LENGTH = 4, 5


@dataclass(frozen=True, slots=True)
class DemoCredentials:
    """What opens the demo. `key_secret` is the random part of its API key (32 bytes)."""

    email: str
    password: str
    key_secret: bytes
    key_id: UUID


def derive_credentials(*, secret_key: str, tenant_id: UUID) -> DemoCredentials:
    """The credentials of the demo in one installation; another secret gives others (HMAC-SHA-256, RFC 2104)."""
    return DemoCredentials(
        email=EMAIL,
        password=_password(_digest(secret_key, "password")),
        key_secret=_digest(secret_key, f"api key of {tenant_id}"),
        key_id=_key_id(_digest(secret_key, f"api key id of {tenant_id}"), tenant_id),
    )


def _digest(secret_key: str, purpose: str) -> bytes:
    return hmac.digest(secret_key.encode(), f"parley demo: {purpose}".encode(), hashlib.sha256)


def _password(digest: bytes) -> str:
    """20 readable characters in groups, about 99 bits."""
    number = int.from_bytes(digest, "big")
    groups = []
    for _ in range(_GROUPS):
        letters = ""
        for _ in range(_GROUP_LENGTH):
            number, index = divmod(number, len(_READABLE))
            letters += _READABLE[index]
        groups.append(letters)
    return "-".join(groups)


def _key_id(digest: bytes, tenant_id: UUID) -> UUID:
    """A UUIDv7 with the tenant's time, so that lists by age stay in order."""
    raw = bytearray(tenant_id.bytes[:6] + digest[:10])
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))
