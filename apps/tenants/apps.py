"""Who is let in: people, organisations, roles, keys, and what was changed by whom."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "apps.tenants"
    label = "tenants"

    def ready(self) -> None:
        from apps.tenants.ui.dashboard_card import organisation_card
        from parley.web.dashboard import register_card

        register_card(organisation_card, order=90)
