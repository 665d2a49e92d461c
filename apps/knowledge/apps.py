"""The knowledge app."""

from django.apps import AppConfig


class KnowledgeConfig(AppConfig):
    """Registers what the dashboard says about knowledge."""

    name = "apps.knowledge"
    label = "knowledge"

    def ready(self) -> None:
        from apps.knowledge.ui.dashboard_card import knowledge_card
        from parley.web.dashboard import register_card

        register_card(knowledge_card, order=20)
