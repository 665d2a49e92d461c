"""Addresses below /t/<tenant_slug>/."""

from django.urls import path

from apps.gateway.ui import budgets, models, providers

app_name = "gateway"
urlpatterns = [
    path("models/", models.model_list, name="model_list"),
    path("models/new/", models.model_create, name="model_create"),
    path("models/<uuid:model_id>/", models.model_edit, name="model_edit"),
    path("models/<uuid:model_id>/delete/", models.model_delete, name="model_delete"),
    path("models/routes/<uuid:route_id>/", models.route_edit, name="route_edit"),
    path("models/providers/new/", providers.provider_create, name="provider_create"),
    path("models/providers/<uuid:provider_id>/", providers.provider_edit, name="provider_edit"),
    path("models/providers/<uuid:provider_id>/check/", providers.provider_check, name="provider_check"),
    path("models/providers/<uuid:provider_id>/delete/", providers.provider_delete, name="provider_delete"),
    path("budgets/", budgets.budget_list, name="budget_list"),
    path("budgets/limit/", budgets.budget_edit, name="budget_edit"),
    path("budgets/usage.csv", budgets.usage_export, name="usage_export"),
]
