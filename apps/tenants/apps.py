"""Who is let in: people, organisations, roles, keys, and what was changed by whom."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "apps.tenants"
    label = "tenants"
