"""Django's registration of the app."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"
    verbose_name = "Models and budgets"

    def ready(self) -> None:
        from apps.gateway.services.setup import register_local_models
        from apps.gateway.ui.dashboard_card import gateway_card
        from apps.tenants.services.tenants import on_tenant_created
        from parley.db.encrypted import keyring
        from parley.web.dashboard import register_card

        # A process that cannot read the stored provider keys must not start and fail later (L-18).
        keyring()
        on_tenant_created(register_local_models)
        register_card(gateway_card, order=50)
