"""What beat starts, and how often (seconds)."""

from __future__ import annotations

from typing import Any

# A tick that nobody could take is worth nothing later.
_TICK = {"expires": 10}

SCHEDULE: dict[str, dict[str, Any]] = {
    "tend jobs": {"task": "jobs.tend", "schedule": 2.0, "options": _TICK},
    "tidy jobs": {"task": "jobs.tidy", "schedule": 3600.0},
    "start due sources": {"task": "knowledge.start_due_sources", "schedule": 15.0},
    "sweep searches": {"task": "knowledge.sweep_searches", "schedule": 3600.0},
    "sweep generations": {"task": "conversations.sweep_generations", "schedule": 5.0},
    "sum usage": {"task": "gateway.sweep_usage", "schedule": 900.0},
    "sweep holds": {"task": "gateway.sweep_holds", "schedule": 30.0},
    "sweep planned moves": {"task": "assistants.sweep_moves", "schedule": 10.0, "options": _TICK},
    "sweep experiments": {"task": "evaluations.sweep_experiments", "schedule": 10.0},
}
