"""Keys for programs: issued once, stored as a hash, bound to one organisation (A-03).

The text of a key carries the organisation's and the key's own id, so that a request finds its tenant
without a look-up across tenants; 256 random bits follow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from apps.tenants import policies, selectors
from apps.tenants.contracts import IssuedKey
from apps.tenants.models import ApiKey, User
from apps.tenants.services import audit
from parley.db.ids import uuid7
from parley.errors import Forbidden, Invalid, NotFound
from parley.tenancy import require_tenant_id, tenant_tx
from parley.web.actors import Actor, current_actor

PREFIX = "pk_"
_SECRET_BYTES = 32
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _ParsedToken:
    tenant_id: UUID
    key_id: UUID
    secret: bytes


def create_api_key(
    *,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    created_by: User | None = None,
    secret: bytes | None = None,
    key_id: UUID | None = None,
) -> IssuedKey:
    """Issue a key for the ambient organisation. The returned token is the only usable copy.

    `secret` (32 bytes) and `key_id` are for the demo alone, whose key must come out the same each time;
    an existing key with that id is renewed. Raises `Invalid` for unknown scopes, `Forbidden` for scopes
    that the acting member does not hold.
    """
    wanted = sorted(set(scopes))
    name = " ".join(name.split())
    if not name or len(name) > 120:
        raise Invalid("Give the key a name of at most 120 characters.", errors={"name": ["Give the key a name."]})
    unknown = sorted(set(wanted) - policies.ALL_PERMISSIONS)
    if unknown or not wanted:
        sentence = f"Unknown scopes: {', '.join(unknown)}." if unknown else "Choose at least one scope."
        raise Invalid(sentence, errors={"scopes": [sentence]})
    actor = current_actor()
    excess = policies.excess_scopes(actor.permissions, wanted) if actor else []
    if excess:
        raise Forbidden(f"A key cannot have more than you have yourself: {', '.join(excess)}.")
    secret = secret or secrets.token_bytes(_SECRET_BYTES)
    key, _ = ApiKey.objects.update_or_create(
        id=key_id or uuid7(),
        defaults={
            "name": name,
            "secret_hash": hashlib.sha256(secret).hexdigest(),
            "scopes": wanted,
            "created_by": created_by,
            "expires_at": expires_at,
            "revoked_at": None,
        },
    )
    token = format_token(require_tenant_id(), key.id, secret)
    key.hint = f"…{token[-4:]}"
    key.save(update_fields=["hint"])
    audit.record(action="api_key.created", target=name, after={"scopes": wanted})
    return IssuedKey(key.id, name, token, tuple(wanted), expires_at)


def revoke_api_key(*, key_id: UUID) -> None:
    """Make a key useless from the next request on. Raises `NotFound`."""
    key = selectors.list_api_keys().filter(id=key_id).first()
    if key is None:
        raise NotFound("There is no such API key.")
    key.revoked_at = timezone.now()
    key.save(update_fields=["revoked_at"])
    audit.record(action="api_key.revoked", target=key.name)


def find_actor_by_token(token: str) -> Actor | None:
    """Who a key acts for, or None when it is malformed, unknown, revoked or expired. Opens its own transaction."""
    parsed = _parse(token)
    if parsed is None:
        return None
    with tenant_tx(parsed.tenant_id):
        key = ApiKey.objects.select_related("tenant").filter(id=parsed.key_id, revoked_at=None).first()
        if key is None or not hmac.compare_digest(key.secret_hash, hashlib.sha256(parsed.secret).hexdigest()):
            return None
        now = timezone.now()
        if key.expires_at is not None and key.expires_at <= now:
            return None
        if key.last_used_at is None or now - key.last_used_at > _USE_IS_NOTED_EVERY:
            ApiKey.objects.filter(id=key.id).update(last_used_at=now)
        return Actor(
            kind="api_key",
            id=key.id,
            label=f"API key {key.name}",
            tenant=selectors.tenant_ref(key.tenant),
            permissions=frozenset(key.scopes),
        )


def format_token(tenant_id: UUID, key_id: UUID, secret: bytes) -> str:
    """The text of a key made of its parts."""
    return PREFIX + _encode(tenant_id.bytes + key_id.bytes + secret)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _parse(token: str) -> _ParsedToken | None:
    if not token.startswith(PREFIX):
        return None
    body = token.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 32 + _SECRET_BYTES or _encode(raw) != body:
        # The last character has bits to spare: only one spelling of a key is the key.
        return None
    return _ParsedToken(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])
