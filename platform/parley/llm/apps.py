"""Makes the model gateway a Django app, so that its commands are found. It has no tables."""

from django.apps import AppConfig


class LlmConfig(AppConfig):
    """Label `llm`; nothing runs at start."""

    name = "parley.llm"
    label = "llm"
    verbose_name = "Models"
