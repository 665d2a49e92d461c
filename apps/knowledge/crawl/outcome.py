"""What a run amounts to: its diff as a sentence, and whether so much is missing that the site must be down. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# A run that misses more than this share of what was known deletes nothing.
MOST_LOST = 0.5
# A handful of pages may well be replaced at once.
FEW_PAGES = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """Pages by what a run found: each is counted once. `skipped` are those that rules or robots keep out."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    failed: int = 0
    skipped: int = 0


def diff_sentence(counts: Counts) -> str:
    """“3 new, 4 changed, 1 gone”, or that nothing changed."""
    parts = [
        f"{number:,} {word}"
        for number, word in (
            (counts.new, "new"),
            (counts.changed, "changed"),
            (counts.gone, "gone"),
            (counts.failed, "failed"),
        )
        if number
    ]
    if parts:
        return ", ".join(parts)
    return f"Nothing changed ({counts.unchanged:,} pages)" if counts.unchanged != 1 else "Nothing changed (1 page)"


def objection_to_losses(*, known: int, lost: int) -> str:
    """Why a run must not delete what it misses, or an empty string. `known` counts pages that were there before."""
    if known <= FEW_PAGES or lost <= known * MOST_LOST:
        return ""
    return (
        f"{lost:,} of {known:,} pages were missing, which looks like a site that is down or was rebuilt. "
        "Nothing was deleted. If they are really gone, sync again and accept the losses."
    )
