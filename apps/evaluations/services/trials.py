"""Trying an assistant otherwise: a version with another model or other settings, and keeping what was better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from apps.assistants.contracts import VersionSpec
from apps.assistants.services.assistants import DraftFields, update_draft
from apps.assistants.services.versions import save_version


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state of an assistant, and what is tried in place of its own; None keeps that."""

    version: VersionSpec
    model_id: UUID | None = None
    route_id: UUID | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None

    @property
    def spec(self) -> VersionSpec:
        """The state that answers."""
        spec = self.version
        if self.model_id is not None or self.route_id is not None:
            spec = replace(spec, model_id=self.model_id, route_id=self.route_id)
        if self.temperature is not None:
            spec = replace(spec, temperature=self.temperature)
        if self.max_output_tokens is not None:
            spec = replace(spec, max_output_tokens=self.max_output_tokens)
        return spec


def use_candidate(candidate: Candidate) -> None:
    """Make the candidate the assistant's draft; visitors notice nothing. Inside the caller's tenant transaction.

    Whatever the draft was before is replaced; the audit log keeps it. Repeating it changes nothing. Raises as
    `update_draft` does.
    """
    spec = candidate.spec
    fields: DraftFields = {name: getattr(spec, name) for name in DraftFields.__annotations__}  # type: ignore[assignment] # the same names, by their declaration
    update_draft(assistant_id=spec.assistant_id, **fields)


def save_candidate(candidate: Candidate, *, note: str = "") -> int:
    """Make the candidate the draft and freeze it as a version, which nobody is shown. Its number.

    Raises as `update_draft` and `save_version` do. Repeating it adds no second version.
    """
    use_candidate(candidate)
    return save_version(assistant_id=candidate.spec.assistant_id, note=note).number
