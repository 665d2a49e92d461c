"""Makes the model gateway a Django app, so that its commands are found. It has no tables."""

from django.apps import AppConfig
from django.conf import settings

from parley.llm import guard


class LlmConfig(AppConfig):
    """Label `llm`; at start it only passes on the setting that keeps tests on this machine."""

    name = "parley.llm"
    label = "llm"
    verbose_name = "Models"

    def ready(self) -> None:
        """Pass `PARLEY_FORBID_REMOTE_MODELS` on to the guard, which knows no Django."""
        if getattr(settings, guard.SWITCH, False):
            guard.switch_on()
