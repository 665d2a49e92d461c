"""The composition root as a Django app, for its management commands."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "parley.config"
    label = "config"
