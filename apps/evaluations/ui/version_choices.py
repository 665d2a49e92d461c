"""The states of assistants that can be asked, for a select: `<assistant id>:<number or draft>`."""

from __future__ import annotations

from collections.abc import Iterable

from apps.assistants import selectors as assistants
from apps.evaluations.ui.forms import Choices
from parley.errors import Problem


def version_choices(wanted: Iterable[str] = ()) -> Choices:
    """Published state and draft of every assistant; older versions only of the `wanted` ones (slugs or ids)."""
    named = set(wanted)
    groups: Choices = []
    for assistant in assistants.list_assistants():
        states = []
        if assistant.published_version is not None:
            number = assistant.published_version.number
            states.append((f"{assistant.id}:{number}", f"{assistant.name}: published (version {number})"))
        states.append((f"{assistant.id}:draft", f"{assistant.name}: draft"))
        if named & {assistant.slug, str(assistant.id)}:
            known = dict(states)
            states += [
                (value, f"{assistant.name}: version {row.number}")
                for row in assistants.list_versions(assistant)
                if (value := f"{assistant.id}:{row.number}") not in known
            ]
        groups.append((assistant.name, states))
    return groups


def initial_version(wanted: str, version: str) -> str:
    """The value that stands for a state of an assistant, its draft by default; empty for an unknown one."""
    if not wanted:
        return ""
    try:
        assistant = assistants.get_assistant(wanted)
    except Problem:
        return ""
    return f"{assistant.id}:{version or 'draft'}"
