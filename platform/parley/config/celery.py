"""The Celery application of workers and beat."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_shutting_down

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


@worker_shutting_down.connect
def drain_jobs(**kwargs: object) -> None:
    """Told to end, a worker takes nothing new, and long jobs go back into the queue (C-10)."""
    from parley.jobs import drain

    drain.ask()


@worker_init.connect
def refuse_unsafe_role(**kwargs: object) -> None:
    """A worker refuses to start as a role that sees all tenants (T-01)."""
    from django.db import connections

    from parley.jobs import drain  # noqa: F401 - its shared page must exist before the children are forked
    from parley.tenancy.roles import UnsafeDatabaseRole, require_restricted_role

    try:
        require_restricted_role()
    except UnsafeDatabaseRole as error:
        # Celery swallows ordinary exceptions of a signal's receivers.
        raise SystemExit(str(error)) from error
    finally:
        connections.close_all()
