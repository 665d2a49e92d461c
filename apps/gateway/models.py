"""Tables of providers, models, routes, budgets and the ledger of what was spent."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from apps.gateway.contracts import Price
from apps.gateway.enums import (
    BudgetScope,
    Confidence,
    EntryKind,
    HoldState,
    ModelKind,
    ProviderKind,
    Purpose,
    RoutePurpose,
)
from parley.db import MoneyField
from parley.db.encrypted import EncryptedTextField
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantForeignKey, TenantOwned


class Provider(TenantOwned):
    """Who runs models: a company's API, a server in the house, or Parley itself."""

    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=16, choices=ProviderKind)
    litellm_provider = models.CharField(max_length=40, blank=True)
    base_url = models.CharField(max_length=300, blank=True)
    api_key = EncryptedTextField(null=True, blank=True)
    api_key_last4 = models.CharField(max_length=4, blank=True)
    api_key_set_at = models.DateTimeField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    check_is_ok = models.BooleanField(null=True, blank=True)
    check_sentence = models.CharField(max_length=400, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="gateway_provider_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_built_in(self) -> bool:
        """Parley's own providers cannot be changed or removed."""
        return self.kind in (ProviderKind.LOCAL, ProviderKind.EXTRACTIVE)


class Model(TenantOwned):
    """A model of a provider. Empty prices mean the price list decides; `name` is the provider's own."""

    provider = TenantForeignKey(Provider, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=200)
    label = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=ModelKind, default=ModelKind.CHAT)
    context_tokens = models.PositiveIntegerField()
    max_output_tokens = models.PositiveIntegerField()
    input_price = MoneyField(null=True, blank=True)
    output_price = MoneyField(null=True, blank=True)
    cached_input_price = MoneyField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "provider", "name", "kind"], name="gateway_model_name"),
            models.CheckConstraint(
                name="gateway_model_prices",
                condition=(Q(input_price=None) | Q(input_price__gte=0))
                & (Q(output_price=None) | Q(output_price__gte=0))
                & (Q(cached_input_price=None) | Q(cached_input_price__gte=0)),
            ),
            models.CheckConstraint(
                # Half a price would be half a refusal: both or neither.
                name="gateway_model_price_pair",
                condition=Q(input_price=None, output_price=None)
                | Q(input_price__isnull=False, output_price__isnull=False),
            ),
            models.CheckConstraint(name="gateway_model_window", condition=Q(context_tokens__gt=0)),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def own_price(self) -> Price | None:
        """The price a person entered, or None when the price list decides."""
        if self.input_price is None or self.output_price is None:
            return None
        return Price(self.input_price, self.output_price, self.cached_input_price)


class Route(TenantOwned):
    """Which models serve one purpose."""

    purpose = models.CharField(max_length=16, choices=RoutePurpose)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "purpose"], name="gateway_route_purpose")]

    def __str__(self) -> str:
        return str(RoutePurpose(self.purpose).label)


class RouteChoice(TenantOwned):
    """One model of a route; position 0 is tried first."""

    route = TenantForeignKey(Route, on_delete=models.CASCADE, related_name="choices")
    model = TenantForeignKey(Model, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "route", "position"], name="gateway_routechoice_position"),
            models.UniqueConstraint(fields=["tenant", "route", "model"], name="gateway_routechoice_once"),
        ]


class Budget(TenantOwned):
    """One month's counters of one scope. `period_start` is the month's first day in the tenant's time zone.

    `spent` can pass `limit` only when a provider reports more than was reserved (B-02); `held` never does.
    """

    scope = models.CharField(max_length=16, choices=BudgetScope, default=BudgetScope.TENANT)
    period_start = models.DateField()
    limit = MoneyField(null=True, blank=True)
    spent = MoneyField(default=Decimal(0))
    held = MoneyField(default=Decimal(0))
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "scope", "period_start"], name="gateway_budget_period"),
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
    budget = TenantForeignKey(Budget, on_delete=models.PROTECT, related_name="holds")
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
    assistant_id = models.UUIDField(null=True)
    conversation_id = models.UUIDField(null=True)
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
        return Price(self.input_price, self.output_price, self.cached_input_price)


class UsageEntry(TenantOwned):
    """One line of the ledger. The application can add lines and read them, never change or remove one."""

    append_only: ClassVar[bool] = True

    call_id = models.UUIDField()
    kind = models.CharField(max_length=16, choices=EntryKind, default=EntryKind.CHARGE)
    budget = TenantForeignKey(Budget, on_delete=models.PROTECT, related_name="entries")
    purpose = models.CharField(max_length=16, choices=Purpose)
    model_id = models.UUIDField()
    model_label = models.CharField(max_length=120)
    provider_id = models.UUIDField(null=True)
    assistant_id = models.UUIDField(null=True)
    conversation_id = models.UUIDField(null=True)
    # Signed: a correction carries the difference to what was charged before.
    input_tokens = models.IntegerField()
    cached_input_tokens = models.IntegerField(default=0)
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
