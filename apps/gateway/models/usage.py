"""Tables of usage: the ledger summed by hour, so that a page need not read ten million lines."""

from __future__ import annotations

from decimal import Decimal

from django.db import models

from apps.gateway.enums import Confidence, Purpose
from parley.db import MoneyField
from parley.tenancy.models import TenantOwned


class UsageHour(TenantOwned):
    """What one hour of the tenant's clock cost, for each assistant, channel, model, purpose and confidence."""

    hour = models.DateTimeField()
    assistant_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=16, blank=True)
    model_id = models.UUIDField()
    model_label = models.CharField(max_length=120)
    purpose = models.CharField(max_length=16, choices=Purpose)
    confidence = models.CharField(max_length=16, choices=Confidence)
    calls = models.PositiveIntegerField()
    input_tokens = models.BigIntegerField()
    cached_input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cost = MoneyField(default=Decimal(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "tenant",
                    "hour",
                    "assistant_id",
                    "channel",
                    "model_id",
                    "model_label",
                    "purpose",
                    "confidence",
                ],
                name="gateway_usagehour_once",
                nulls_distinct=False,
            ),
        ]


class UsageMark(TenantOwned):
    """Up to when the ledger is summed: hours before it are read from `UsageHour`, the rest from the ledger."""

    rolled_until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="gateway_usagemark_one")]
