"""What was said: conversations, the runs that produce answers, citations and ratings."""

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    """Registers what the dashboard says about conversations."""

    name = "apps.conversations"
    label = "conversations"

    def ready(self) -> None:
        from apps.conversations.ui.dashboard_card import conversations_card
        from parley.web.dashboard import register_card

        register_card(conversations_card, order=40)
