"""What beat starts, and how often (seconds)."""

from __future__ import annotations

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep documents": {"task": "knowledge.sweep_documents", "schedule": 15.0},
    "sweep generations": {"task": "conversations.sweep_generations", "schedule": 5.0},
    "sweep holds": {"task": "gateway.sweep_holds", "schedule": 30.0},
    "sweep experiments": {"task": "evaluations.sweep_experiments", "schedule": 10.0},
}
