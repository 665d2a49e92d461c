"""What the assistant pages show, gathered from selectors."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import reverse

from apps.assistants import selectors
from apps.assistants.comparison import changed_fields, label_of
from apps.assistants.contracts import VersionSpec
from apps.assistants.models import Assistant, AssistantVersion
from apps.assistants.selectors import DRAFT
from parley.web.access import TenantRequest

_TEST_CHAT = "conversations/_panel.html"


def row(assistant: Assistant) -> dict[str, Any]:
    """An assistant in the list."""
    return {
        "assistant": assistant,
        "state": state(assistant),
        "changes": [label_of(field) for field in selectors.unpublished_changes(assistant)],
        "knowledge_base_count": len(assistant.knowledge_base_links.all()),
    }


def state(assistant: Assistant) -> dict[str, str]:
    """What visitors get, as a badge."""
    if assistant.published_version is None:
        return {"label": "Not published", "tone": "warn"}
    if assistant.is_paused:
        return {"label": "Paused", "tone": "bad"}
    label = f"Version {assistant.published_version.number} is live"
    if assistant.rollout_version is not None:
        label += f", {assistant.rollout_version.number} for {assistant.rollout_percent} %"
    return {"label": label, "tone": "good"}


def page(request: TenantRequest, assistant: Assistant, *, tab: str) -> dict[str, Any]:
    """The head that all pages of one assistant share. On `edit` the publish button saves the form as well."""
    changes = selectors.unpublished_changes(assistant)
    saved = selectors.find_version_like_draft(assistant) if tab != "edit" else None
    return {
        "assistant": assistant,
        "state": state(assistant),
        "tabs": _tabs(request, assistant, tab),
        "next_label": str(saved.number if saved else selectors.next_version_number(assistant)),
        "public_path": f"/a/{assistant.public_id}/",
        "draft_form_id": "draft-form" if tab == "edit" else "",
        "is_first": assistant.published_version is None,
        "changes": [label_of(field) for field in changes],
    }


def detail(request: TenantRequest, assistant: Assistant) -> dict[str, Any]:
    """The overview of one assistant: the live version when there is one, otherwise the draft."""
    live = assistant.published_version
    spec = selectors.version_spec(live, assistant) if live else selectors.draft_spec(assistant)
    names = selectors.names_in_specs()
    return {
        **page(request, assistant, tab="overview"),
        "spec": spec,
        "model": _answers(spec, names),
        "knowledge_bases": [{"id": base, "name": names[base]} for base in spec.knowledge_base_ids if base in names],
        "api_url": f"{settings.PARLEY_PUBLIC_URL}/v1",
    }


def version_rows(assistant: Assistant, versions: Sequence[AssistantVersion]) -> list[dict[str, Any]]:
    """Versions with the settings that changed since the one before."""
    specs = [selectors.version_spec(version, assistant) for version in versions]
    labels: dict[UUID, list[str]] = {}
    for label in selectors.list_labels(assistant):
        if label.version is not None:
            labels.setdefault(label.version.id, []).append(label.name)
    live = assistant.published_version
    before: list[VersionSpec | None] = [*specs[1:], None]
    if specs and specs[-1].number and specs[-1].number > 1:
        older = selectors.get_version(assistant, specs[-1].number - 1)
        before[-1] = selectors.version_spec(older, assistant)
    return [
        {
            "version": version,
            "is_live": version.id == assistant.published_version_id,
            "is_ahead": live is None or version.number > live.number,
            "labels": labels.get(version.id, []),
            "rollout_percent": assistant.rollout_percent if version.id == assistant.rollout_version_id else 0,
            "changes": [label_of(field) for field in changed_fields(previous, spec)] if previous else [],
            "previous": previous.number if previous else None,
        }
        for version, spec, previous in zip(versions, specs, before, strict=True)
    ]


def comparison(assistant: Assistant, first: str | None, second: str | None) -> dict[str, Any]:
    """Two states side by side, each a number, a label or the draft; the live version and the draft by default."""
    live = assistant.published_version
    first = first or (str(live.number) if live else DRAFT)
    second = second or DRAFT
    return {
        "first": first,
        "second": second,
        "choices": states_to_choose(assistant),
        "differences": selectors.compare_states(assistant, first, second),
    }


def states_to_choose(assistant: Assistant) -> list[tuple[str, str]]:
    """The draft, every version and every label, as choices of a form."""
    numbers = list(selectors.list_versions(assistant).values_list("number", flat=True))
    labels = [label.name for label in selectors.list_labels(assistant) if label.version is not None]
    return [
        (DRAFT, "Draft"),
        *((str(number), f"Version {number}") for number in numbers),
        *((name, f"Label {name}") for name in labels),
    ]


def sharing(assistant: Assistant) -> dict[str, Any]:
    """Addresses and the line for a website."""
    host, public_id = settings.PARLEY_PUBLIC_URL, assistant.public_id
    return {
        "public_url": f"{host}/a/{public_id}/",
        "snippet": f'<script src="{host}/widget/v1.js" data-assistant="{public_id}" async></script>',
    }


def test_chat(assistant: Assistant) -> dict[str, Any]:
    """The chat with the draft: a component of the conversations app, which stands above this one."""
    try:
        get_template(_TEST_CHAT)
    except TemplateDoesNotExist:
        return {}
    return {"test_chat": _TEST_CHAT}


def _answers(spec: VersionSpec, names: dict[UUID, str]) -> str:
    if spec.model_id:
        return names.get(spec.model_id, "A deleted model")
    if spec.route_id:
        return f"Route {names[spec.route_id]}" if spec.route_id in names else "A deleted route"
    return "The organisation's default"


def _tabs(request: TenantRequest, assistant: Assistant, current: str) -> list[dict[str, Any]]:
    kwargs = {"tenant_slug": request.tenant.slug, "assistant_id": assistant.id}
    names = [("overview", "Overview", "assistant_detail")]
    if request.actor.can("assistants.edit"):
        names.append(("edit", "Edit and try", "assistant_edit"))
    names += [
        ("examples", "Examples", "example_list"),
        ("prompt", "Prompt", "prompt_preview"),
        ("versions", "Versions", "version_list"),
        ("release", "Release", "release"),
        ("share", "Widget", "assistant_share"),
    ]
    return [
        {"label": label, "href": reverse(f"assistants:{url}", kwargs=kwargs), "is_current": key == current}
        for key, label, url in names
    ]
