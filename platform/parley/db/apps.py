"""Lets Django find what this package offers (commands, template tags)."""

from django.apps import AppConfig


class DbConfig(AppConfig):
    name = "parley.db"
    label = "parley_db"
