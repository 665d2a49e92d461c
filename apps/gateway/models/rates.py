"""Tables of rate limits: how much may be asked at once and in a minute, whatever it costs."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.gateway.enums import RateScope
from parley.tenancy.models import TenantOwned


class RateLimit(TenantOwned):
    """What the whole tenant, each API key or each visitor may ask. Empty: as much as they like."""

    scope = models.CharField(max_length=16, choices=RateScope)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    concurrent = models.PositiveIntegerField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "scope"], name="gateway_ratelimit_once"),
            models.CheckConstraint(
                name="gateway_ratelimit_positive",
                condition=(Q(requests_per_minute=None) | Q(requests_per_minute__gt=0))
                & (Q(tokens_per_minute=None) | Q(tokens_per_minute__gt=0))
                & (Q(concurrent=None) | Q(concurrent__gt=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"Rate limit of {RateScope(self.scope).label.lower()}"
