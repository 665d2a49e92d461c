"""Django's registration of the app."""

from django.apps import AppConfig


class AssistantsConfig(AppConfig):
    """Registers what the dashboard says about assistants, and their names for those who count money for them."""

    name = "apps.assistants"
    label = "assistants"
    verbose_name = "Assistants"

    def ready(self) -> None:
        from apps.assistants.selectors import assistant_names
        from apps.assistants.ui.dashboard_card import assistants_card
        from apps.gateway.services.names import name_assistants_with
        from parley.web.dashboard import register_card

        register_card(assistants_card, order=30)
        name_assistants_with(assistant_names)
