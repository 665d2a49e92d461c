"""Addresses below /api/v1/."""

from django.urls import path

from apps.gateway.api import keys, routes, views

app_name = "gateway_api"
urlpatterns = [
    path("providers/", views.ProviderList.as_view(), name="provider_list"),
    path("providers/<uuid:provider_id>/", views.ProviderDetail.as_view(), name="provider_detail"),
    path("providers/<uuid:provider_id>/check/", views.ProviderCheck.as_view(), name="provider_check"),
    path("providers/<uuid:provider_id>/keys/", keys.KeyList.as_view(), name="provider_key_list"),
    path(
        "providers/<uuid:provider_id>/keys/<uuid:provider_key_id>/",
        keys.KeyDetail.as_view(),
        name="provider_key_detail",
    ),
    path("models/", views.ModelList.as_view(), name="model_list"),
    path("models/<uuid:model_id>/", views.ModelDetail.as_view(), name="model_detail"),
    path("routes/", routes.RouteList.as_view(), name="route_list"),
    path("routes/<uuid:route_id>/", routes.RouteDetail.as_view(), name="route_detail"),
    path("routes/<uuid:route_id>/dry-run/", routes.RouteDryRun.as_view(), name="route_dry_run"),
    path("budgets/", views.BudgetList.as_view(), name="budget_list"),
    path("budgets/<uuid:budget_id>/", views.BudgetDetail.as_view(), name="budget_detail"),
    path("spending-limits/", views.LimitList.as_view(), name="limit_list"),
    path("spending-limits/<uuid:limit_id>/", views.LimitDetail.as_view(), name="limit_detail"),
    path("budget-alerts/", views.AlertList.as_view(), name="alert_list"),
    path("budget-alerts/settings/", views.AlertSettingsDetail.as_view(), name="alert_settings"),
    path("rate-limits/", views.RateLimitList.as_view(), name="rate_limit_list"),
    path("usage/summary/", views.UsageSummary.as_view(), name="usage_summary"),
    path("usage/reconciliation/", views.UsageReconciliation.as_view(), name="usage_reconciliation"),
    path("usage/", views.UsageList.as_view(), name="usage_list"),
]
