"""The append-only record of who changed what."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import models

from apps.tenants.enums import ActorKind
from apps.tenants.models import AuditEvent
from parley.web.actors import current_actor

_LABEL_LENGTH = 200


def record(
    *,
    action: str,
    target: models.Model | str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an audit event for the ambient actor, inside the caller's transaction and tenant.

    `action` is `<noun>.<past verb>`. `before` and `after` hold the changed fields only, and never a secret.
    """
    actor = current_actor()
    row = target if isinstance(target, models.Model) else None
    AuditEvent.objects.create(
        actor_kind=actor.kind if actor else ActorKind.SYSTEM,
        actor_id=actor.id if actor else None,
        actor_label=(actor.label if actor else "Parley")[:_LABEL_LENGTH],
        action=action,
        target_type=(row._meta.model_name or "") if row else "",
        target_id=str(row.pk) if row else "",
        target_label=("" if target is None else str(target))[:_LABEL_LENGTH],
        before=before,
        after=after,
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
    )
