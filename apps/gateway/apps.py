"""Django's registration of the app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save

# Rows that decide which model a call goes to.
_ROUTING_MODELS = ("Provider", "ProviderKey", "Model", "Route", "RouteChoice")


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
        for name in _ROUTING_MODELS:
            for signal in (post_save, post_delete):
                signal.connect(_forget_routes, sender=self.get_model(name), dispatch_uid=f"gateway.routes.{name}")


def _forget_routes(**kwargs: Any) -> None:
    """Now, for whoever goes on in this transaction; and after it, for what others read meanwhile."""
    from django.db import transaction

    from apps.gateway import selectors

    selectors.recent.forget()
    transaction.on_commit(selectors.recent.forget, using=kwargs["using"])
