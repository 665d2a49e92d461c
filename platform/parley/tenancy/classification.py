"""Every model is tenant, platform or global; nothing may be left unclassified (T-04)."""

from __future__ import annotations

from typing import Any, Literal

from django.apps import apps
from django.db import models

from parley.tenancy.models import TenantOwned

TenancyClass = Literal["tenant", "platform", "global"]

# Third-party tables, reviewed: none of them holds a tenant's content.
GLOBAL_MODELS = frozenset(
    {
        "account.EmailAddress",  # sign-in addresses of people, who may belong to several tenants
        "account.EmailConfirmation",
        "auth.Group",  # unused; comes with Django's permission tables
        "auth.Permission",
        "contenttypes.ContentType",
        "sessions.Session",
    }
)


def classify(model: type[models.Model]) -> TenancyClass | None:
    """The tenancy class of a model, or None when nobody decided."""
    if issubclass(model, TenantOwned):
        return "tenant"
    if getattr(model, "tenancy_class", None) == "platform":
        return "platform"
    if model._meta.label in GLOBAL_MODELS:
        return "global"
    # Implicit many-to-many tables follow the model that declares them.
    owner: Any = model._meta.auto_created
    return classify(owner) if owner else None


def unclassified_models() -> list[str]:
    """Labels of concrete models without a class, for the guard and `check_rls`."""
    return sorted(model._meta.label for model in apps.get_models(include_auto_created=True) if classify(model) is None)


def tables_without_tenant() -> set[str]:
    """Tables that are allowed to have no row-level security: platform and global ones, and Django's own."""
    tables = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if classify(model) in ("platform", "global")
    }
    return tables | {"django_migrations"}
