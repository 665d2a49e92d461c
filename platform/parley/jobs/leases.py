"""How long a run holds its job without a sign of life, counted by the database's clock."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

LEASE = timedelta(seconds=settings.PARLEY_JOB_LEASE_SECONDS)
# Four renewals fit into a lease: a busy machine may miss three.
BEAT_SECONDS = settings.PARLEY_JOB_LEASE_SECONDS / 4


def lease_end(length: timedelta) -> Combinable:
    """When a lease taken now runs out."""
    return ExpressionWrapper(Now() + Value(length), output_field=DateTimeField())
