"""Jobs of conversations: only the sweep; answers are written by the web processes."""

from __future__ import annotations

from apps.conversations.services import sweeping
from parley.jobs import platform_task


@platform_task(
    name="conversations.sweep_generations",
    soft_time_limit=20,
    time_limit=30,
    safe_to_repeat="an ended generation is not ended again",
)
def sweep_generations() -> None:
    """Bring runs of dead processes to an end. The web processes do the same; this works when none is left."""
    sweeping.close_orphans()
