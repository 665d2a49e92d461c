"""Sources and their syncs as the templates show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.knowledge import selectors
from apps.knowledge.models import KnowledgeBase, Source, SourceRun
from apps.knowledge.source_enums import OPEN_RUN, RunState, SourceKind, SourceSchedule

_TONES = {
    RunState.QUEUED: "busy",
    RunState.RUNNING: "busy",
    RunState.COMPLETED: "good",
    RunState.FAILED: "bad",
    RunState.CANCELLED: "neutral",
}
_WORDS = {
    RunState.QUEUED: "Syncing",
    RunState.RUNNING: "Syncing",
    RunState.COMPLETED: "Synced",
    RunState.FAILED: "Failed",
    RunState.CANCELLED: "Cancelled",
}


@dataclass(frozen=True, slots=True)
class RunRow:
    """A line of the sync log."""

    run: SourceRun
    sentence: str
    tone: str
    words: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A line of the sources table."""

    source: Source
    kind: str
    schedule: str
    document_count: int
    last: RunRow | None


def run_row(run: SourceRun) -> RunRow:
    """A sync with its diff, its state in words and colour."""
    state = RunState(run.state)
    return RunRow(run, selectors.tell_run(run), _TONES[state], _WORDS[state], state in OPEN_RUN)


def source_rows(sources: list[Source]) -> list[SourceRow]:
    """Lines for sources, with three queries however many they are."""
    ids = [source.id for source in sources]
    last, counts = selectors.find_last_runs(ids), selectors.count_source_documents(ids)
    return [
        SourceRow(
            source=source,
            kind=str(SourceKind(source.kind).label),
            schedule=str(SourceSchedule(source.schedule).label),
            document_count=counts.get(source.id, 0),
            last=run_row(last[source.id]) if source.id in last else None,
        )
        for source in sources
    ]


def source_context(base: KnowledgeBase) -> dict[str, Any]:
    """What the list of a base's sources needs."""
    rows = source_rows(list(selectors.list_sources(knowledge_base_id=base.id)))
    return {"source_rows": rows, "is_syncing": any(row.last and row.last.is_open for row in rows)}
