"""The page that says which version visitors meet, and its small forms: each one call, then back to the page."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.assistants import selectors
from apps.assistants.models import Assistant
from apps.assistants.policies import PRODUCTION, may_move_label, require_move_label
from apps.assistants.services import assistants, labels, rollouts, schedules
from apps.assistants.ui import context
from parley.errors import Conflict, Invalid, NotFound
from parley.web.access import TenantRequest, tenant_page

_MOVES_PER_PAGE = 20


class LabelForm(forms.Form):
    """A label, typed or chosen, and the version it moves to."""

    label = forms.CharField(max_length=40)
    number = forms.IntegerField(min_value=1)


class RolloutForm(forms.Form):
    """A version and its share of new conversations."""

    number = forms.IntegerField(min_value=1)
    percent = forms.IntegerField(min_value=1, max_value=99)


class ScheduleForm(forms.Form):
    """When a label moves, in UTC; without a number the draft is saved for it."""

    label = forms.CharField(max_length=40)
    number = forms.IntegerField(min_value=1, required=False)
    due_at = forms.DateTimeField()


class SettingsForm(forms.Form):
    """What becomes of conversations under way."""

    follows_newest = forms.ChoiceField(choices=[("1", "follow")], required=False)


@tenant_page({"GET": "assistants.view"})
def release(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Labels, rollout, plan and history of one assistant."""
    assistant = selectors.get_assistant(assistant_id)
    states = selectors.list_labels(assistant)
    moves = Paginator(selectors.list_label_moves(assistant), _MOVES_PER_PAGE).get_page(request.GET.get("page"))
    values = {
        **context.page(request, assistant, tab="release"),
        "labels": [
            {
                "name": label.name,
                "version": label.version,
                "is_protected": label.is_protected,
                "may_move": may_move_label(request.actor, assistant, label.name),
                "is_production": label.name == PRODUCTION,
            }
            for label in states
        ],
        "numbers": list(selectors.list_versions(assistant).values_list("number", flat=True)),
        "scheduled": selectors.list_scheduled_moves(assistant),
        "moves": moves,
        "may_move_production": may_move_label(request.actor, assistant, PRODUCTION),
    }
    return render(request, "assistants/release.html", values)


@tenant_page({"POST": "assistants.edit"})
def label_move(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Let a label stand on a version."""

    def move(assistant: Assistant, data: dict[str, Any]) -> str:
        require_move_label(request.actor, assistant, data["label"])
        version = labels.move_label(assistant_id=assistant.id, label=data["label"], number=data["number"])
        return f"{data['label'].capitalize()} stands on version {version.number}."

    return _after(request, assistant_id, LabelForm, move)


@tenant_page({"POST": "assistants.edit"})
def label_remove(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Take a label away."""
    assistant = selectors.get_assistant(assistant_id)
    label = request.POST.get("label", "")
    require_move_label(request.actor, assistant, label)
    labels.remove_label(assistant_id=assistant.id, label=label)
    messages.success(request, f"The label {label} was taken away. Its version stays.")
    return _back(request, assistant)


@tenant_page({"POST": "assistants.publish"})
def rollout_set(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Let a share of new conversations begin with a second version."""

    def roll_out(assistant: Assistant, data: dict[str, Any]) -> str:
        require_move_label(request.actor, assistant, PRODUCTION)
        rollouts.set_rollout(assistant_id=assistant.id, **data)
        return f"{data['percent']} % of new conversations begin with version {data['number']}."

    return _after(request, assistant_id, RolloutForm, roll_out)


@tenant_page({"POST": "assistants.publish"})
def rollout_stop(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Let every new conversation begin with production again."""
    assistant = selectors.get_assistant(assistant_id)
    require_move_label(request.actor, assistant, PRODUCTION)
    rollouts.stop_rollout(assistant_id=assistant.id)
    messages.success(request, "The rollout was stopped. New conversations begin with production.")
    return _back(request, assistant)


@tenant_page({"POST": "assistants.edit"})
def move_schedule(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Plan a move of a label."""

    def plan(assistant: Assistant, data: dict[str, Any]) -> str:
        require_move_label(request.actor, assistant, data["label"])
        move = schedules.schedule_move(assistant_id=assistant.id, **data)
        return f"{move.label.capitalize()} moves to version {move.version.number} at {move.due_at:%d %b %Y %H:%M} UTC."

    return _after(request, assistant_id, ScheduleForm, plan)


@tenant_page({"POST": "assistants.edit"})
def move_cancel(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Take a planned move back."""
    assistant = selectors.get_assistant(assistant_id)
    try:
        move = selectors.get_scheduled_move(UUID(request.POST.get("move", "")))
    except ValueError as error:
        raise NotFound("There is no such planned move.") from error
    if move.assistant_id != assistant.id:
        raise NotFound("There is no such planned move.")
    require_move_label(request.actor, assistant, move.label)
    try:
        schedules.cancel_move(move_id=move.id)
    except Conflict as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, "The planned move was cancelled.")
    return _back(request, assistant)


@tenant_page({"POST": "assistants.publish"})
def release_settings(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Whether conversations under way follow, and which labels are protected."""

    def save(assistant: Assistant, data: dict[str, Any]) -> str:
        assistants.update_sharing(assistant_id=assistant.id, follows_newest=bool(data["follows_newest"]))
        if request.actor.can("assistants.protect"):
            labels.protect_labels(assistant_id=assistant.id, labels=request.POST.getlist("protected"))
        return "Saved. It applies from now on."

    return _after(request, assistant_id, SettingsForm, save)


def _after(
    request: TenantRequest,
    assistant_id: UUID,
    form_class: type[forms.Form],
    act: Callable[[Assistant, dict[str, Any]], str],
) -> HttpResponse:
    """Validate, act, and go back to the page with what happened, or with why nothing did."""
    assistant = selectors.get_assistant(assistant_id)
    form = form_class(request.POST)
    if not form.is_valid():
        field, sentences = next(iter(form.errors.items()))
        messages.error(request, f"Nothing was changed. {field.replace('_', ' ').capitalize()}: {sentences[0]}")
        return _back(request, assistant)
    try:
        messages.success(request, act(assistant, form.cleaned_data))
    except (Invalid, Conflict) as problem:
        errors: dict[str, list[str]] = problem.extra.get("errors") or {}
        messages.error(request, next((one for each in errors.values() for one in each), problem.detail))
    return _back(request, assistant)


def _back(request: TenantRequest, assistant: Assistant) -> HttpResponse:
    kwargs = {"tenant_slug": request.tenant.slug, "assistant_id": assistant.id}
    return redirect(reverse("assistants:release", kwargs=kwargs))
