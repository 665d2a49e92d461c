"""Django's registration of the app."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"
    verbose_name = "Models and budgets"

    def ready(self) -> None:
        # A process that cannot read the stored provider keys must not start and fail later (L-18).
        from parley.db.encrypted import keyring

        keyring()
