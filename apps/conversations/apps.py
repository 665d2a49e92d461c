"""What was said: conversations, the runs that produce answers, citations and ratings."""

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "apps.conversations"
    label = "conversations"
