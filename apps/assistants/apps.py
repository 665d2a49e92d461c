"""Django's registration of the app."""

from django.apps import AppConfig


class AssistantsConfig(AppConfig):
    """Registers what the dashboard says about assistants."""

    name = "apps.assistants"
    label = "assistants"
    verbose_name = "Assistants"

    def ready(self) -> None:
        from apps.assistants.ui.dashboard_card import assistants_card
        from parley.web.dashboard import register_card

        register_card(assistants_card, order=30)
