"""The Celery application of workers and beat."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "parley.config.settings.local")

app = Celery("parley")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def install_schedule(sender: Celery, **kwargs: object) -> None:
    """Hand beat the schedule; imported late because it names tasks of every app."""
    from parley.config.schedule import SCHEDULE

    sender.conf.beat_schedule = SCHEDULE


@setup_logging.connect
def keep_our_logging(**kwargs: object) -> None:
    """Django has configured logging already; Celery must not replace it."""


@worker_init.connect
def refuse_unsafe_role(**kwargs: object) -> None:
    """A worker refuses to start as a role that sees all tenants (T-01)."""
    from django.db import connections

    from parley.tenancy.roles import UnsafeDatabaseRole, require_restricted_role

    try:
        require_restricted_role()
    except UnsafeDatabaseRole as error:
        # Celery swallows ordinary exceptions of a signal's receivers.
        raise SystemExit(str(error)) from error
    finally:
        connections.close_all()
