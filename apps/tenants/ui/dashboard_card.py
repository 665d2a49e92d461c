"""What this app itself has to say on the dashboard."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from apps.tenants import selectors
from parley.web.actors import Actor
from parley.web.dashboard import Attention, Contribution

_WARN_BEFORE = timedelta(days=7)


def organisation_card(actor: Actor, tenant_slug: str) -> Contribution:
    """API keys about to expire, for those who can replace them."""
    if not actor.can("keys.manage"):
        return Contribution()
    keys = selectors.list_api_keys_expiring_before(timezone.now() + _WARN_BEFORE)
    href = reverse("tenants:api_key_list", kwargs={"tenant_slug": tenant_slug})
    now = timezone.now()
    attention = []
    for key in keys:
        if key.expires_at and key.expires_at <= now:
            attention.append(Attention(f"The API key “{key.name}” has expired.", href, "See API keys", "bad"))
        else:
            attention.append(Attention(f"The API key “{key.name}” expires soon.", href, "See API keys", "warn"))
    return Contribution(attention=tuple(attention))
