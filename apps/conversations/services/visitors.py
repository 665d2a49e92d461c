"""Visitors: people who chat without signing in, known by a signed token and nothing else.

The token names the organisation, the assistant and the visitor. It is short-lived; a valid one, also one that
has just run out, is exchanged for a fresh one with the same visitor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.core import signing

from apps.assistants import selectors as assistants
from apps.assistants.contracts import PublicAssistant
from apps.tenants import policies
from apps.tenants import selectors as tenants
from parley.db.ids import uuid7
from parley.errors import NotFound
from parley.web.actors import Actor

VALID_FOR = timedelta(minutes=15)
RENEWABLE_FOR = timedelta(days=30)
PREFIX = "vt_"
_SALT = "parley.visitor"


@dataclass(frozen=True, slots=True)
class VisitorSession:
    """A visitor of one assistant."""

    actor: Actor
    assistant_id: UUID
    public_id: str


def issue_visitor_token(*, public_id: str, renew: str | None = None) -> tuple[str, UUID]:
    """A token for a visitor of the assistant, and the visitor's id.

    `renew` is an earlier token of the same assistant: its visitor stays the same. Raises `NotFound` when the
    assistant does not exist, is unpublished or paused.
    """
    public = find_open_assistant(public_id)
    if public is None:
        raise NotFound("There is no assistant to talk to here.")
    visitor_id = _visitor_of(renew, public_id) or uuid7()
    payload = {"p": public_id, "t": str(public.tenant_id), "a": str(public.assistant_id), "v": str(visitor_id)}
    return PREFIX + signing.dumps(payload, salt=_SALT), visitor_id


def find_visitor(token: str) -> VisitorSession | None:
    """Who a token stands for, or None when it is forged, too old, or its assistant is gone or paused."""
    payload = _payload(token, VALID_FOR)
    if payload is None:
        return None
    public = find_open_assistant(payload["p"])
    if public is None or str(public.assistant_id) != payload["a"]:
        return None
    actor = Actor(
        kind="visitor",
        id=UUID(payload["v"]),
        label="Visitor",
        tenant=tenants.tenant_ref(tenants.get_tenant(public.tenant_id)),
        permissions=policies.VISITOR_PERMISSIONS,
        role="visitor",
    )
    return VisitorSession(actor, public.assistant_id, payload["p"])


def find_open_assistant(public_id: str) -> PublicAssistant | None:
    """The assistant behind a public id, if visitors may talk to it at all (page or widget)."""
    public = assistants.find_by_public_id(public_id)
    if public is None or public.is_paused or not public.is_published:
        return None
    return public if public.is_public or public.allowed_origins else None


def _visitor_of(token: str | None, public_id: str) -> UUID | None:
    payload = _payload(token, RENEWABLE_FOR) if token else None
    return UUID(payload["v"]) if payload is not None and payload["p"] == public_id else None


def _payload(token: str, max_age: timedelta) -> dict[str, str] | None:
    if not token.startswith(PREFIX):
        return None
    try:
        payload: dict[str, str] = signing.loads(token.removeprefix(PREFIX), salt=_SALT, max_age=max_age)
    except signing.BadSignature:
        return None
    return payload
