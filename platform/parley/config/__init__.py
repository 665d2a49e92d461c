"""The composition root: the only package that knows every app."""

from parley.config.celery import app as celery_app

__all__ = ["celery_app"]
