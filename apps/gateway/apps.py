"""Django's registration of the app."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"
    verbose_name = "Models and budgets"

    def ready(self) -> None:
        from apps.gateway.services.setup import register_local_models
        from apps.tenants.services.tenants import on_tenant_created
        from parley.db.encrypted import keyring

        # A process that cannot read the stored provider keys must not start and fail later (L-18).
        keyring()
        on_tenant_created(register_local_models)
