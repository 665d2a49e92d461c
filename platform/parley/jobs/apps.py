"""The jobs app: one table of work, and the Celery tasks that carry it out."""

from __future__ import annotations

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "parley.jobs"
    label = "jobs"
