"""Addresses below /t/<tenant_slug>/."""

from django.urls import path

from apps.gateway.ui import alerts, budgets, limits, models, providers, rates, routes, usage

app_name = "gateway"
urlpatterns = [
    path("models/", models.model_list, name="model_list"),
    path("models/new/", models.model_create, name="model_create"),
    path("models/<uuid:model_id>/", models.model_edit, name="model_edit"),
    path("models/<uuid:model_id>/delete/", models.model_delete, name="model_delete"),
    path("models/routes/new/", routes.route_create, name="route_create"),
    path("models/routes/<uuid:route_id>/", routes.route_edit, name="route_edit"),
    path("models/routes/<uuid:route_id>/delete/", routes.route_delete, name="route_delete"),
    path("models/routes/<uuid:route_id>/dry-run/", routes.route_dry_run, name="route_dry_run"),
    path("models/routes/<uuid:route_id>/rules/new/", routes.rule_create, name="rule_create"),
    path("models/routes/<uuid:route_id>/rules/<str:rule_id>/", routes.rule_edit, name="rule_edit"),
    path("models/routes/<uuid:route_id>/rules/<str:rule_id>/move/", routes.rule_move, name="rule_move"),
    path("models/routes/<uuid:route_id>/rules/<str:rule_id>/delete/", routes.rule_delete, name="rule_delete"),
    path("models/providers/new/", providers.provider_create, name="provider_create"),
    path("models/providers/<uuid:provider_id>/", providers.provider_edit, name="provider_edit"),
    path("models/providers/<uuid:provider_id>/check/", providers.provider_check, name="provider_check"),
    path("models/providers/<uuid:provider_id>/keys/", providers.key_create, name="key_create"),
    path("models/providers/<uuid:provider_id>/keys/<uuid:provider_key_id>/", providers.key_change, name="key_change"),
    path("models/providers/<uuid:provider_id>/delete/", providers.provider_delete, name="provider_delete"),
    path("budgets/", budgets.budget_list, name="budget_list"),
    path("budgets/limit/", budgets.budget_edit, name="budget_edit"),
    path("budgets/alerts/", alerts.alert_edit, name="alert_edit"),
    path("budgets/limits/new/", limits.limit_create, name="limit_create"),
    path("budgets/limits/<uuid:limit_id>/", limits.limit_edit, name="limit_edit"),
    path("budgets/limits/<uuid:limit_id>/delete/", limits.limit_delete, name="limit_delete"),
    path("budgets/rates/", rates.rate_list, name="rate_list"),
    path("budgets/rates/<str:scope>/", rates.rate_edit, name="rate_edit"),
    path("budgets/usage/", usage.usage_list, name="usage_list"),
    path("budgets/usage/bill/", usage.usage_bill, name="usage_bill"),
    path("budgets/usage.csv", usage.usage_export, name="usage_export"),
]
