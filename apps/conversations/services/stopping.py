"""Stopping a run on somebody's wish."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from apps.conversations.models import Generation
from apps.conversations.services import generations, runner


def cancel_generation(generation_id: UUID) -> Generation:
    """Stop a run wherever it is, within a second; what was written is kept and charged (S-08).

    Runs inside the caller's `tenant_tx`. Safe to repeat; a run that has ended stays as it is. Raises `NotFound`.
    """
    generation = generations.want_cancel(generation_id)
    if generations.is_open(generation):
        transaction.on_commit(lambda: runner.cancel(generation_id))
    return generation
