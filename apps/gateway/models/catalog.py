"""Tables of providers, models and routes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.gateway.contracts import Price
from apps.gateway.enums import ModelKind, ProviderKind, RoutePurpose
from parley.db import MoneyField
from parley.db.encrypted import EncryptedTextField
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
    # Set when the provider itself turned the key away; another key, or a test that works, clears it.
    api_key_refused_at = models.DateTimeField(null=True, blank=True)
    further_key_count = models.PositiveSmallIntegerField(default=0)
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


class ProviderKey(TenantOwned):
    """A further key of a provider: calls take turns, and one that fails or is turned away makes room for the others."""

    provider = TenantForeignKey(Provider, on_delete=models.CASCADE, related_name="further_keys")
    name = models.CharField(max_length=80)
    api_key = EncryptedTextField(null=True)
    api_key_last4 = models.CharField(max_length=4, blank=True)
    is_enabled = models.BooleanField(default=True)
    refused_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "provider", "name"], name="gateway_providerkey_name")]

    def __str__(self) -> str:
        return self.name


class ModelFault(TenantOwned):
    """How one model last failed with one key: for people, who see here what the next calls avoid.

    Named, not referred to: a call that ends while its model is removed must still be closed. `count` begins again
    after a quiet hour.
    """

    provider_id = models.UUIDField()
    model_id = models.UUIDField()
    key_id = models.UUIDField()
    model_label = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    sentence = models.CharField(max_length=400)
    count = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField()
    resting_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider_id", "model_id", "key_id"], name="gateway_modelfault_once"
            )
        ]


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
    """Which models answer what. The one without a name serves its purpose wherever no other is named.

    `rules` and `policy` are what `routing.rule_reading` reads; the choices are the fallback chain.
    """

    purpose = models.CharField(max_length=16, choices=RoutePurpose)
    name = models.CharField(max_length=80, blank=True)
    rules = models.JSONField(default=list)
    policy = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "purpose", "name"], name="gateway_route_name"),
            models.CheckConstraint(
                # Only answers depend on what was asked.
                name="gateway_route_named",
                condition=Q(purpose=RoutePurpose.CHAT) | Q(name="", rules=[]),
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(RoutePurpose(self.purpose).label)

    @property
    def is_default(self) -> bool:
        """Whether it serves its purpose wherever no other route is named. Such a route cannot be removed."""
        return not self.name


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
