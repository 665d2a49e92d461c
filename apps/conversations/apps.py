"""What was said: conversations, the runs that produce answers, citations and ratings."""

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    """Registers what the dashboard says about conversations, and what the channels are called."""

    name = "apps.conversations"
    label = "conversations"

    def ready(self) -> None:
        from apps.conversations.enums import Channel
        from apps.conversations.ui.dashboard_card import conversations_card
        from apps.gateway.services.names import name_channels
        from parley.web.dashboard import register_card

        register_card(conversations_card, order=40)
        name_channels({channel.value: str(channel.label) for channel in Channel})
