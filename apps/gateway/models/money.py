"""Tables of money: the counters of budgets, what is reserved, and the ledger of what was spent."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from apps.gateway.contracts import Price
from apps.gateway.enums import BudgetPeriod, BudgetScope, Confidence, EntryKind, HoldState, Purpose
from parley.db import MoneyField
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantForeignKey, TenantOwned


class SpendingLimit(TenantOwned):
    """How much may be spent: a rule for the counters of one scope. Without an assistant or channel: for each.

    `limit` stops calls, `soft_limit` only warns. The percentages are of `limit`, or of `soft_limit` where there is
    no other; from there on answers are made cheaper, one grade after the other.
    """

    scope = models.CharField(max_length=16, choices=BudgetScope)
    period = models.CharField(max_length=8, choices=BudgetPeriod)
    # The gateway lies below the assistants, so their ids are plain here.
    assistant_id = models.UUIDField(null=True, blank=True)
    channel = models.CharField(max_length=16, blank=True)
    limit = MoneyField(null=True, blank=True)
    soft_limit = MoneyField(null=True, blank=True)
    cheaper_at = models.PositiveSmallIntegerField(null=True, blank=True)
    shorter_at = models.PositiveSmallIntegerField(null=True, blank=True)
    cached_at = models.PositiveSmallIntegerField(null=True, blank=True)
    refuse_at = models.PositiveSmallIntegerField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "scope", "period", "assistant_id", "channel"],
                name="gateway_spendinglimit_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="gateway_spendinglimit_amounts",
                condition=(Q(limit=None) | Q(limit__gte=0)) & (Q(soft_limit=None) | Q(soft_limit__gte=0)),
            ),
            models.CheckConstraint(
                name="gateway_spendinglimit_percent",
                condition=(Q(cheaper_at=None) | Q(cheaper_at__range=(1, 100)))
                & (Q(shorter_at=None) | Q(shorter_at__range=(1, 100)))
                & (Q(cached_at=None) | Q(cached_at__range=(1, 100)))
                & (Q(refuse_at=None) | Q(refuse_at__range=(1, 100))),
            ),
        ]

    def __str__(self) -> str:
        return f"{BudgetScope(self.scope).label} limit by {self.period}"


class Budget(TenantOwned):
    """The counters of one scope in one period. `period_start` is its first day in the tenant's time zone.

    `subject` says whose within the scope: an assistant, a channel of one, a visitor; empty for the tenant. `limit` and
    `soft_limit` are what the last reservation was measured against. `spent` can pass `limit` only when a provider
    reports more than was reserved (B-02); `held` never does.
    """

    scope = models.CharField(max_length=16, choices=BudgetScope, default=BudgetScope.TENANT)
    subject = models.CharField(max_length=80, blank=True)
    period = models.CharField(max_length=8, choices=BudgetPeriod, default=BudgetPeriod.MONTH)
    period_start = models.DateField()
    limit = MoneyField(null=True, blank=True)
    soft_limit = MoneyField(null=True, blank=True)
    # Thresholds of `alerting` that people were told of in this period.
    told = ArrayField(models.PositiveSmallIntegerField(), null=True)
    spent = MoneyField(default=Decimal(0))
    held = MoneyField(default=Decimal(0))
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "scope", "subject", "period", "period_start"], name="gateway_budget_period"
            ),
            models.CheckConstraint(name="gateway_budget_counters", condition=Q(spent__gte=0) & Q(held__gte=0)),
            models.CheckConstraint(name="gateway_budget_limit", condition=Q(limit=None) | Q(limit__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{BudgetScope(self.scope).label} budget"


class Hold(TenantOwned):
    """Money reserved for one model call, with the price it was reserved at.

    The model is named, not referred to: removing a model must not touch what it cost.
    """

    platform_access: ClassVar[PlatformAccess] = "read"

    call_id = models.UUIDField()
    # The tenant's month; `budget_ids` names all counters in the order of their locks where there are more.
    budget = TenantForeignKey(Budget, on_delete=models.PROTECT, related_name="holds")
    budget_ids = ArrayField(models.UUIDField(), null=True)
    purpose = models.CharField(max_length=16, choices=Purpose)
    state = models.CharField(max_length=16, choices=HoldState, default=HoldState.HELD)
    amount = MoneyField()
    input_tokens = models.PositiveIntegerField()
    max_output_tokens = models.PositiveIntegerField()
    model_id = models.UUIDField()
    model_label = models.CharField(max_length=120)
    provider_id = models.UUIDField(null=True)
    input_price = MoneyField()
    output_price = MoneyField()
    cached_input_price = MoneyField(null=True)
    # What few models have: prices of reasoning, images and cache writes, and of long prompts; as decimal strings.
    rate_details = models.JSONField(null=True)
    assistant_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=16, blank=True)
    visitor_id = models.UUIDField(null=True)
    api_key_id = models.UUIDField(null=True)
    conversation_id = models.UUIDField(null=True)
    grade = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "call_id"], name="gateway_hold_call"),
            models.CheckConstraint(name="gateway_hold_amount", condition=Q(amount__gte=0)),
        ]
        indexes = [
            models.Index(F("expires_at"), name="gateway_hold_open", condition=Q(state="held")),
        ]

    @property
    def price(self) -> Price:
        """The price at the time of the reservation; later changes do not reach a call under way."""
        base = Price(self.input_price, self.output_price, self.cached_input_price)
        return base.with_details(self.rate_details or {})

    @property
    def counter_ids(self) -> list[UUID]:
        """All counters that this reservation moves, in the order in which they are locked."""
        return self.budget_ids or [self.budget_id]


class UsageEntry(TenantOwned):
    """One line of the ledger. The application can add lines and read them, never change or remove one."""

    append_only: ClassVar[bool] = True

    call_id = models.UUIDField()
    kind = models.CharField(max_length=16, choices=EntryKind, default=EntryKind.CHARGE)
    budget = TenantForeignKey(Budget, on_delete=models.PROTECT, related_name="entries")
    budget_ids = ArrayField(models.UUIDField(), null=True)
    purpose = models.CharField(max_length=16, choices=Purpose)
    model_id = models.UUIDField()
    model_label = models.CharField(max_length=120)
    provider_id = models.UUIDField(null=True)
    assistant_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=16, blank=True)
    visitor_id = models.UUIDField(null=True)
    conversation_id = models.UUIDField(null=True)
    grade = models.PositiveSmallIntegerField(default=0)
    # Signed: a correction carries the difference to what was charged before.
    input_tokens = models.IntegerField()
    cached_input_tokens = models.IntegerField(default=0)
    # Parts of the input and of the output that have prices of their own.
    cache_write_tokens = models.IntegerField(default=0)
    image_tokens = models.IntegerField(default=0)
    reasoning_tokens = models.IntegerField(default=0)
    output_tokens = models.IntegerField()
    cost = MoneyField()
    overage = MoneyField(default=Decimal(0))
    confidence = models.CharField(max_length=16, choices=Confidence)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "call_id", "kind"], name="gateway_usage_once"),
            models.CheckConstraint(
                name="gateway_usage_charge",
                condition=~Q(kind="charge") | (Q(cost__gte=0) & Q(input_tokens__gte=0) & Q(output_tokens__gte=0)),
            ),
            models.CheckConstraint(name="gateway_usage_overage", condition=Q(overage__gte=0)),
        ]
        indexes = [
            models.Index(fields=["tenant", "-created_at"], name="gateway_usage_newest"),
            models.Index(fields=["tenant", "budget"], name="gateway_usage_budget"),
        ]
