"""What the API accepts and shows of the gateway. Money is a decimal string; a key is never shown again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from apps.gateway import periods, selectors
from apps.gateway.contracts import Grade
from apps.gateway.enums import BudgetPeriod, BudgetScope, ModelKind, ProviderKind, Purpose, RateScope
from apps.gateway.models import (
    AlertSettings,
    Budget,
    BudgetAlert,
    Model,
    Provider,
    RateLimit,
    SpendingLimit,
    UsageEntry,
)
from apps.gateway.reconciliation import Difference
from apps.gateway.selectors import UsageSum
from apps.gateway.services import alerts

_ADDABLE = (ProviderKind.OPENAI.value, ProviderKind.LITELLM.value)


def _price(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=18,
        decimal_places=9,
        required=False,
        allow_null=True,
        help_text="US dollars per million tokens; null: the price list decides",
        **options,
    )


class ProviderSerializer(serializers.Serializer[Any]):
    """Settings of a provider. `api_key` is written and never read."""

    name = serializers.CharField(max_length=80)
    base_url = serializers.CharField(max_length=300, required=False, allow_blank=True)
    litellm_provider = serializers.CharField(max_length=40, required=False, allow_blank=True)
    api_key = serializers.CharField(max_length=1_000, required=False, allow_blank=True, write_only=True)


class NewProviderSerializer(ProviderSerializer):
    """A provider to add."""

    kind = serializers.ChoiceField(choices=_ADDABLE)


class ProviderChangeSerializer(ProviderSerializer):
    """A change; an empty `api_key` removes the key."""

    is_enabled = serializers.BooleanField(required=False)


class ModelSerializer(serializers.Serializer[Any]):
    """Settings of a model."""

    name = serializers.CharField(max_length=200, help_text="The provider's own name of the model")
    label = serializers.CharField(max_length=120, required=False)  # type: ignore[assignment]  # a field's name
    context_tokens = serializers.IntegerField(min_value=1, max_value=20_000_000, required=False)
    max_output_tokens = serializers.IntegerField(min_value=1, max_value=20_000_000, required=False)
    input_price = _price()
    output_price = _price()
    cached_input_price = _price()


class NewModelSerializer(ModelSerializer):
    """A model to add."""

    provider_id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=ModelKind.choices, required=False)


class ModelChangeSerializer(ModelSerializer):
    """A change of a model."""

    is_enabled = serializers.BooleanField(required=False)


class BudgetSerializer(serializers.Serializer[Any]):
    """The monthly limit in US dollars; null: no limit."""

    limit = serializers.DecimalField(max_digits=18, decimal_places=9, min_value=Decimal(0), allow_null=True)


def _dollars(text: str) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=18, decimal_places=9, min_value=Decimal(0), required=False, allow_null=True, help_text=text
    )


def _percent(text: str) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=100, required=False, allow_null=True, help_text=text)


class LimitChangeSerializer(serializers.Serializer[Any]):
    """Amounts of a spending limit in US dollars, and from which percentage of it answers are made cheaper."""

    limit = _dollars("Stops calls; null: nothing is stopped")
    soft_limit = _dollars("Warns only; null: no warning line")
    cheaper_at = _percent("From this percentage on the cheapest model of the route answers first")
    shorter_at = _percent("From this percentage on prompts carry less history and fewer passages")
    cached_at = _percent("From this percentage on an answer given before is preferred to a new one")
    refuse_at = _percent("From this percentage on new questions are declined politely")


class LimitSerializer(LimitChangeSerializer):
    """A spending limit to add. Without assistant and channel it holds for each of them by itself."""

    scope = serializers.ChoiceField(choices=BudgetScope.choices)
    period = serializers.ChoiceField(choices=BudgetPeriod.choices)
    assistant_id = serializers.UUIDField(required=False, allow_null=True)
    channel = serializers.CharField(max_length=16, required=False, allow_blank=True)


class AlertSettingsSerializer(serializers.Serializer[Any]):
    """Whom to tell about budgets. No addresses: owners and admins."""

    emails = serializers.ListField(child=serializers.EmailField(), max_length=20, required=False, default=list)
    webhook_url = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    makes_new_secret = serializers.BooleanField(required=False, default=False)


class RateLimitSerializer(serializers.Serializer[Any]):
    """How much a tenant, each API key or each visitor may ask; null: as much as they like."""

    scope = serializers.ChoiceField(choices=RateScope.choices)
    requests_per_minute = serializers.IntegerField(min_value=1, allow_null=True, default=None)
    tokens_per_minute = serializers.IntegerField(min_value=1, allow_null=True, default=None)
    concurrent = serializers.IntegerField(min_value=1, allow_null=True, default=None)


class UsageSummarySerializer(serializers.Serializer[Any]):
    """What to sum: from `since` (inclusive) to `until` (exclusive), by day and one more dimension."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    by = serializers.ChoiceField(
        choices=["model", "purpose", "assistant", "channel", "confidence"], required=False, allow_null=True
    )
    purpose = serializers.ChoiceField(choices=Purpose.values, required=False, default="")


class BillSerializer(serializers.Serializer[Any]):
    """A provider's bill as CSV with the columns date, model and amount."""

    bill = serializers.CharField(max_length=2_000_000)


class UsageFilterSerializer(serializers.Serializer[Any]):
    """Which ledger lines to list."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    purpose = serializers.ChoiceField(choices=Purpose.values, required=False)
    model_id = serializers.UUIDField(required=False)


def money(amount: Decimal | None) -> str | None:
    """A decimal string without an exponent or idle zeros."""
    return None if amount is None else format(amount.normalize(), "f")


def provider_body(provider: Provider) -> dict[str, Any]:
    """A provider; of its key only the last characters and the day it was set."""
    has_key = provider.api_key_set_at is not None
    return {
        "id": str(provider.id),
        "name": provider.name,
        "kind": provider.kind,
        "litellm_provider": provider.litellm_provider,
        "base_url": provider.base_url,
        "is_enabled": provider.is_enabled,
        "is_built_in": provider.is_built_in,
        "api_key": {"last4": provider.api_key_last4, "set_at": provider.api_key_set_at} if has_key else None,
        "further_key_count": provider.further_key_count,
        "api_key_refused_at": provider.api_key_refused_at,
        "last_check": _last_check(provider),
        "created_at": provider.created_at,
    }


def _last_check(provider: Provider) -> dict[str, Any] | None:
    if provider.checked_at is None:
        return None
    return {"at": provider.checked_at, "is_ok": provider.check_is_ok, "detail": provider.check_sentence}


def model_body(model: Model) -> dict[str, Any]:
    """A model with the price that a call would be reserved at."""
    price, origin = selectors.effective_price(model)
    return {
        "id": str(model.id),
        "provider_id": str(model.provider_id),
        "name": model.name,
        "label": model.label,
        "kind": model.kind,
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "is_enabled": model.is_enabled,
        "input_price": money(model.input_price),
        "output_price": money(model.output_price),
        "cached_input_price": money(model.cached_input_price),
        "price": {
            "origin": origin.value,
            "input_per_million": money(price.input_per_million) if price else None,
            "output_per_million": money(price.output_per_million) if price else None,
            "cached_input_per_million": money(price.cached_input_per_million) if price else None,
            "details": price.details() if price else None,
        },
        "created_at": model.created_at,
    }


def budget_body(budget: Budget) -> dict[str, Any]:
    """One period's counters."""
    read = periods.day_of if budget.period == BudgetPeriod.DAY else periods.period_of
    period = read(budget.period_start, budget.tenant.time_zone)
    left = None if budget.limit is None else max(Decimal(0), budget.limit - budget.spent - budget.held)
    return {
        "id": str(budget.id),
        "scope": budget.scope,
        "subject": budget.subject,
        "period": budget.period,
        "period_start": period.starts_at,
        "resets_at": period.ends_at,
        "time_zone": budget.tenant.time_zone,
        "limit": money(budget.limit),
        "spent": money(budget.spent),
        "held": money(budget.held),
        "available": money(left),
    }


def limit_body(limit: SpendingLimit) -> dict[str, Any]:
    """A spending limit."""
    return {
        "id": str(limit.id),
        "scope": limit.scope,
        "period": limit.period,
        "assistant_id": str(limit.assistant_id) if limit.assistant_id else None,
        "channel": limit.channel,
        "limit": money(limit.limit),
        "soft_limit": money(limit.soft_limit),
        "cheaper_at": limit.cheaper_at,
        "shorter_at": limit.shorter_at,
        "cached_at": limit.cached_at,
        "refuse_at": limit.refuse_at,
        "created_at": limit.created_at,
    }


def alert_body(alert: BudgetAlert) -> dict[str, Any]:
    """What was told, and whether it arrived."""
    return {
        **alerts.payload(alert),
        "created_at": alert.created_at,
        "mail": {"state": alert.mail_state, "note": alert.mail_note},
        "webhook": {"state": alert.webhook_state, "note": alert.webhook_note},
    }


def alert_settings_body(chosen: AlertSettings, secret: str | None = None) -> dict[str, Any]:
    """Whom to tell. The webhook's secret is in the answer that made it, and never again."""
    return {
        "emails": chosen.emails,
        "webhook_url": chosen.webhook_url,
        "has_secret": chosen.webhook_secret is not None,
        "secret": secret,
        "has_mail_server": alerts.has_mail_server(),
    }


def rate_limit_body(limit: RateLimit) -> dict[str, Any]:
    """One rate limit."""
    return {
        "scope": limit.scope,
        "requests_per_minute": limit.requests_per_minute,
        "tokens_per_minute": limit.tokens_per_minute,
        "concurrent": limit.concurrent,
    }


def usage_sum_body(line: UsageSum) -> dict[str, Any]:
    """Spending of one day and one value of the dimension."""
    return {
        "day": line.day,
        "key": line.key,
        "calls": line.calls,
        "input_tokens": line.input_tokens,
        "cached_input_tokens": line.cached_input_tokens,
        "output_tokens": line.output_tokens,
        "reasoning_tokens": line.reasoning_tokens,
        "cost": money(line.cost),
    }


def difference_body(line: Difference) -> dict[str, Any]:
    """One day and model of a bill beside the ledger."""
    return {
        "day": line.day,
        "model": line.model,
        "billed": money(line.billed),
        "recorded": money(line.recorded),
        "difference": money(line.amount),
        "is_tolerable": line.is_tolerable,
        "sentence": line.sentence,
    }


def usage_body(entry: UsageEntry) -> dict[str, Any]:
    """One line of the ledger."""
    return {
        "id": str(entry.id),
        "call_id": str(entry.call_id),
        "kind": entry.kind,
        "purpose": entry.purpose,
        "model_id": str(entry.model_id),
        "model": entry.model_label,
        "provider_id": str(entry.provider_id) if entry.provider_id else None,
        "assistant_id": str(entry.assistant_id) if entry.assistant_id else None,
        "channel": entry.channel,
        "visitor_id": str(entry.visitor_id) if entry.visitor_id else None,
        "conversation_id": str(entry.conversation_id) if entry.conversation_id else None,
        "grade": Grade(entry.grade).name.lower(),
        "input_tokens": entry.input_tokens,
        "cached_input_tokens": entry.cached_input_tokens,
        "cache_write_tokens": entry.cache_write_tokens,
        "image_tokens": entry.image_tokens,
        "output_tokens": entry.output_tokens,
        "reasoning_tokens": entry.reasoning_tokens,
        "cost": money(entry.cost),
        "overage": money(entry.overage),
        "confidence": entry.confidence,
        "created_at": entry.created_at,
    }
