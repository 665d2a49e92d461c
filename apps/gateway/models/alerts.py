"""Tables of alerts: what was told about a budget, to whom, and whether it arrived."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.gateway.enums import AlertLine, DeliveryState
from apps.gateway.models.money import Budget
from parley.db import MoneyField
from parley.db.encrypted import EncryptedTextField
from parley.tenancy.models import TenantForeignKey, TenantOwned


class AlertSettings(TenantOwned):
    """Whom to tell. Without addresses, owners and admins are told."""

    emails = ArrayField(models.EmailField(), default=list, blank=True)
    webhook_url = models.CharField(max_length=500, blank=True)
    webhook_secret = EncryptedTextField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="gateway_alertsettings_one")]


class BudgetAlert(TenantOwned):
    """One threshold that one budget reached in one period: told once, whatever happens afterwards."""

    budget = TenantForeignKey(Budget, on_delete=models.CASCADE, related_name="alerts")
    line = models.CharField(max_length=8, choices=AlertLine)
    threshold = models.PositiveSmallIntegerField()
    limit = MoneyField()
    spent = MoneyField()
    mail_state = models.CharField(max_length=8, choices=DeliveryState, default=DeliveryState.WAITING)
    mail_note = models.CharField(max_length=300, blank=True)
    webhook_state = models.CharField(max_length=8, choices=DeliveryState, default=DeliveryState.WAITING)
    webhook_note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "budget", "line", "threshold"], name="gateway_budgetalert_once")
        ]
        indexes = [models.Index(fields=["tenant", "-created_at"], name="gateway_budgetalert_newest")]

    def __str__(self) -> str:
        return f"{self.threshold} % of a budget"
