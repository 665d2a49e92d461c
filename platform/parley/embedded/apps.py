"""Makes the supervisor a Django app, so that its commands are found. It has no tables."""

from __future__ import annotations

from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    """Label `embedded`; nothing runs at start."""

    name = "parley.embedded"
    label = "embedded"
    verbose_name = "Embedded services"
