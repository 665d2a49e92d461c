"""JSON views: validate, one call, render."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.gateway import selectors
from apps.gateway.api import serializers
from apps.gateway.services import alerts, budgets, models, providers, rates
from parley.errors import Invalid
from parley.web.api import TenantAPIView, paginate, parse_body
from parley.web.problems import flatten_errors


class ProviderList(TenantAPIView):
    """Who runs models for this organisation."""

    access = {"GET": "gateway.view", "POST": "gateway.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_providers(), serializers.provider_body)

    @extend_schema(request=serializers.NewProviderSerializer, responses={201: dict})
    def post(self, request: Request) -> Response:
        provider = providers.create_provider(**parse_body(serializers.NewProviderSerializer, request))
        return Response(serializers.provider_body(provider), status=status.HTTP_201_CREATED)


class ProviderDetail(TenantAPIView):
    """One provider. Its key can be replaced and removed, not read."""

    access = {"GET": "gateway.view", "PATCH": "gateway.manage", "DELETE": "gateway.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request, provider_id: UUID) -> Response:
        return Response(serializers.provider_body(selectors.get_provider(provider_id)))

    @extend_schema(request=serializers.ProviderChangeSerializer, responses=dict)
    def patch(self, request: Request, provider_id: UUID) -> Response:
        changes = parse_body(serializers.ProviderChangeSerializer, request, partial=True)
        provider = providers.update_provider(provider_id=provider_id, **changes)
        return Response(serializers.provider_body(provider))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, provider_id: UUID) -> Response:
        providers.delete_provider(provider_id=provider_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProviderCheck(TenantAPIView):
    """Asks the provider for a word: `{"is_ok", "detail"}`. Costs what that word costs."""

    access = {"POST": "gateway.manage"}
    holds_transaction = False

    @extend_schema(request=None, responses=dict)
    def post(self, request: Request, provider_id: UUID) -> Response:
        outcome = async_to_sync(providers.check_provider)(provider_id=provider_id)
        return Response({"is_ok": outcome.is_ok, "detail": outcome.sentence})


class ModelList(TenantAPIView):
    """The models of all providers."""

    access = {"GET": "gateway.view", "POST": "gateway.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_models(), serializers.model_body)

    @extend_schema(request=serializers.NewModelSerializer, responses={201: dict})
    def post(self, request: Request) -> Response:
        model = models.create_model(**parse_body(serializers.NewModelSerializer, request))
        return Response(serializers.model_body(model), status=status.HTTP_201_CREATED)


class ModelDetail(TenantAPIView):
    """One model."""

    access = {"GET": "gateway.view", "PATCH": "gateway.manage", "DELETE": "gateway.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request, model_id: UUID) -> Response:
        return Response(serializers.model_body(selectors.get_model(model_id)))

    @extend_schema(request=serializers.ModelChangeSerializer, responses=dict)
    def patch(self, request: Request, model_id: UUID) -> Response:
        changes = parse_body(serializers.ModelChangeSerializer, request, partial=True)
        return Response(serializers.model_body(models.update_model(model_id=model_id, changes=changes)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, model_id: UUID) -> Response:
        models.delete_model(model_id=model_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class BudgetList(TenantAPIView):
    """The counters of each period, the newest first."""

    access = {"GET": "budgets.view"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_budgets(), serializers.budget_body)


class BudgetDetail(TenantAPIView):
    """One row of counters. PATCH sets the tenant's own monthly limit; others are changed as spending limits."""

    access = {"GET": "budgets.view", "PATCH": "budgets.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request, budget_id: UUID) -> Response:
        return Response(serializers.budget_body(selectors.get_budget(budget_id)))

    @extend_schema(request=serializers.BudgetSerializer, responses=dict)
    def patch(self, request: Request, budget_id: UUID) -> Response:
        selectors.get_budget(budget_id)
        running = budgets.set_limit(limit=parse_body(serializers.BudgetSerializer, request)["limit"])
        return Response(serializers.budget_body(selectors.get_budget(running.id)))


class LimitList(TenantAPIView):
    """Spending limits: of everything, an assistant, a channel, a visitor; by day and by month."""

    access = {"GET": "budgets.view", "POST": "budgets.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_limits(), serializers.limit_body)

    @extend_schema(request=serializers.LimitSerializer, responses={201: dict})
    def post(self, request: Request) -> Response:
        limit = budgets.create_limit(**parse_body(serializers.LimitSerializer, request))
        return Response(serializers.limit_body(limit), status=status.HTTP_201_CREATED)


class LimitDetail(TenantAPIView):
    """One spending limit."""

    access = {"GET": "budgets.view", "PATCH": "budgets.manage", "DELETE": "budgets.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request, limit_id: UUID) -> Response:
        return Response(serializers.limit_body(selectors.get_limit(limit_id)))

    @extend_schema(request=serializers.LimitChangeSerializer, responses=dict)
    def patch(self, request: Request, limit_id: UUID) -> Response:
        changes = parse_body(serializers.LimitChangeSerializer, request, partial=True)
        return Response(serializers.limit_body(budgets.update_limit(limit_id=limit_id, changes=changes)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, limit_id: UUID) -> Response:
        budgets.delete_limit(limit_id=limit_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AlertList(TenantAPIView):
    """What people were told about budgets, the newest first."""

    access = {"GET": "budgets.view"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_alerts(), serializers.alert_body)


class AlertSettingsDetail(TenantAPIView):
    """Whom to tell at 50, 80 and 100 %. PUT replaces it; a new webhook's secret is shown in that answer only."""

    access = {"GET": "budgets.manage", "PUT": "budgets.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return Response(serializers.alert_settings_body(selectors.get_alert_settings()))

    @extend_schema(request=serializers.AlertSettingsSerializer, responses=dict)
    def put(self, request: Request) -> Response:
        secret = alerts.set_alert_settings(**parse_body(serializers.AlertSettingsSerializer, request))
        return Response(serializers.alert_settings_body(selectors.get_alert_settings(), secret))


class RateLimitList(TenantAPIView):
    """How much may be asked in a minute and at once. PUT sets one of them, by its scope."""

    access = {"GET": "budgets.view", "PUT": "budgets.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return Response({"results": [serializers.rate_limit_body(row) for row in selectors.list_rate_limits()]})

    @extend_schema(request=serializers.RateLimitSerializer, responses=dict)
    def put(self, request: Request) -> Response:
        row = rates.set_rate_limit(**parse_body(serializers.RateLimitSerializer, request))
        return Response(serializers.rate_limit_body(row))


class UsageSummary(TenantAPIView):
    """Spending by local day and one more dimension, fast at any size of the ledger. Default: the running month."""

    access = {"GET": "usage.view"}

    @extend_schema(parameters=[serializers.UsageSummarySerializer], responses=dict)
    def get(self, request: Request) -> Response:
        asked = serializers.UsageSummarySerializer(data=request.query_params)
        if not asked.is_valid():
            raise Invalid("Some filters are not valid.", errors=flatten_errors(asked.errors))
        month = selectors.budget_status()
        chosen = {"since": month.period_start, "until": month.resets_at, "by": None, **asked.validated_data}
        lines = selectors.sum_usage(time_zone=month.timezone, **chosen)
        return Response({"results": [serializers.usage_sum_body(line) for line in lines]})


class UsageReconciliation(TenantAPIView):
    """Compares a provider's bill with the ledger by day and model; nothing of it is kept."""

    access = {"POST": "usage.view"}

    @extend_schema(request=serializers.BillSerializer, responses=dict)
    def post(self, request: Request) -> Response:
        found = selectors.reconcile(parse_body(serializers.BillSerializer, request)["bill"])
        return Response({"differences": [serializers.difference_body(line) for line in found]})


class UsageList(TenantAPIView):
    """The ledger, the newest line first; `since`, `until`, `purpose` and `model_id` narrow it."""

    access = {"GET": "usage.view"}

    @extend_schema(parameters=[serializers.UsageFilterSerializer], responses=dict)
    def get(self, request: Request) -> Response:
        filters = serializers.UsageFilterSerializer(data=request.query_params)
        if not filters.is_valid():
            raise Invalid("Some filters are not valid.", errors=flatten_errors(filters.errors))
        return paginate(request, selectors.list_usage(**filters.validated_data), serializers.usage_body)
