"""Lets Django find what this package offers (commands, template tags)."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "parley.web"
    label = "parley_web"
