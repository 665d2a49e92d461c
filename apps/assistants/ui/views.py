"""Pages of assistants: validate, one call, render."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from apps.assistants import selectors
from apps.assistants.contracts import Variable
from apps.assistants.models import Assistant
from apps.assistants.policies import PRODUCTION, require_move_label
from apps.assistants.services import assistants, labels, versions
from apps.assistants.services.starting import start_from
from apps.assistants.starters import STARTERS, find_starter
from apps.assistants.ui import context
from apps.assistants.ui.forms import DraftForm, SharingForm, VariableForms, draft_initial, new_initial
from apps.gateway import selectors as gateway
from apps.knowledge import selectors as knowledge
from parley.errors import Conflict, Invalid, NotFound
from parley.web.access import TenantRequest, tenant_page
from parley.web.toast import add_toast

_PER_PAGE = 50
_UNPROCESSABLE = 422
_VIEW_AND_PUBLISH = {"GET": "assistants.view", "POST": "assistants.publish"}


@tenant_page({"GET": "assistants.view"})
def assistant_list(request: TenantRequest) -> HttpResponse:
    """All assistants, with what visitors get of each."""
    query = request.GET.get("q", "").strip()
    found = selectors.list_assistants()
    if query:
        found = found.filter(name__icontains=query)
    page = Paginator(found, _PER_PAGE).get_page(request.GET.get("page"))
    rows = [context.row(assistant) for assistant in page]
    return render(request, "assistants/assistant_list.html", {"page": page, "rows": rows, "query": query})


@tenant_page({"GET": "assistants.edit"})
def starter_list(request: TenantRequest) -> HttpResponse:
    """What a new assistant may start from."""
    return render(request, "assistants/starter_list.html", {"starters": STARTERS})


@tenant_page({"GET": "assistants.edit", "POST": "assistants.edit"})
def assistant_create(request: TenantRequest) -> HttpResponse:
    """A form for a new assistant; only name and instructions must be filled, and `?starter=` fills them."""
    starter = find_starter(request.POST.get("starter") or request.GET.get("starter", ""))
    form = _draft_form(request.POST or None, initial=new_initial(starter))
    form.preselect_the_only_base()
    declared = _variable_forms(request, starter.variables if starter else ())
    if request.method == "POST" and form.is_valid() and declared.is_sound():
        fields = form.draft_fields(declared.declared())
        try:
            assistant = start_from(starter=starter.key, **fields) if starter else assistants.create_assistant(**fields)
        except (Invalid, Conflict) as problem:
            form.add_errors(_errors(problem))
        else:
            messages.success(request, f"{assistant.name} is ready to try. Visitors meet it once you publish it.")
            return redirect(_url(request, "assistant_edit", assistant))
    status = _UNPROCESSABLE if form.is_bound else 200
    values = {"form": form, "variables": declared, "starter": starter}
    return render(request, "assistants/assistant_create.html", values, status=status)


@tenant_page({"GET": "assistants.view"})
def assistant_detail(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """What the assistant is, and what is live."""
    assistant = selectors.get_assistant(assistant_id)
    return render(request, "assistants/assistant_detail.html", context.detail(request, assistant))


@tenant_page({"GET": "assistants.edit", "POST": "assistants.edit"})
def assistant_edit(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """The draft beside a chat with it. Saving answers htmx with the form alone, so the chat stays."""
    assistant = selectors.get_assistant(assistant_id)
    spec = selectors.draft_spec(assistant)
    form = _draft_form(request.POST or None, initial=draft_initial(spec, revision=assistant.draft_revision))
    declared = _variable_forms(request, spec.variables)
    if request.method == "POST" and form.is_valid() and declared.is_sound():
        try:
            with transaction.atomic():
                return _save(request, assistant, form, declared.declared() if declared.is_bound else spec.variables)
        except (Invalid, Conflict) as problem:
            form.add_errors(_errors(problem))
    template = "assistants/_draft_form.html" if request.htmx else "assistants/assistant_edit.html"
    values = {**context.page(request, assistant, tab="edit"), "form": form, **context.test_chat(assistant)}
    values |= {"variables": declared, "outdated_blocks": selectors.outdated_blocks(assistant)}
    return render(request, template, values, status=_UNPROCESSABLE if form.is_bound else 200)


@tenant_page({"POST": "assistants.publish"})
def assistant_publish(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Publish the draft as it is saved."""
    require_move_label(request.actor, selectors.get_assistant(assistant_id), PRODUCTION)
    try:
        version = versions.publish(assistant_id=assistant_id, note=request.POST.get("note", ""))
    except Invalid as problem:
        messages.error(request, _first_sentence(problem))
    else:
        messages.success(request, f"Version {version.number} is live.")
    assistant = selectors.get_assistant(assistant_id)
    return redirect(_url(request, "assistant_detail", assistant))


@tenant_page({"POST": "assistants.edit"})
def version_save(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Keep the saved draft as a version that visitors do not meet."""
    version = versions.save_version(assistant_id=assistant_id)
    messages.success(request, f"Version {version.number} holds the draft. Visitors do not meet it yet.")
    return redirect(_url(request, "version_list", selectors.get_assistant(assistant_id)))


@tenant_page({"POST": "assistants.publish"})
def assistant_delete(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Delete, once the name was typed."""
    assistant = selectors.get_assistant(assistant_id)
    if request.POST.get("confirmation", "").strip() != assistant.name:
        messages.error(request, f"Nothing was deleted. Type {assistant.name} to confirm.")
        return redirect(_url(request, "assistant_detail", assistant))
    assistants.delete_assistant(assistant_id=assistant.id)
    messages.success(request, f"{assistant.name} was deleted.")
    return redirect(reverse("assistants:assistant_list", kwargs={"tenant_slug": request.tenant.slug}))


@tenant_page({"GET": "assistants.view"})
def version_list(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Versions with what changed from one to the next."""
    assistant = selectors.get_assistant(assistant_id)
    page = Paginator(selectors.list_versions(assistant), _PER_PAGE).get_page(request.GET.get("page"))
    values = {**context.page(request, assistant, tab="versions"), "page": page}
    values["rows"] = context.version_rows(assistant, list(page))
    return render(request, "assistants/version_list.html", values)


@tenant_page({"GET": "assistants.view"})
def version_compare(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Any two versions, labels or the draft, word by word."""
    assistant = selectors.get_assistant(assistant_id)
    values = {**context.page(request, assistant, tab="versions")}
    values |= context.comparison(assistant, request.GET.get("from"), request.GET.get("to"))
    return render(request, "assistants/version_compare.html", values)


@tenant_page({"POST": "assistants.publish"})
def version_rollback(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Give visitors another version: an earlier one again, or one that was only saved."""
    number = request.POST.get("number", "")
    if not number.isdecimal():
        raise NotFound("Choose the version to go back to.")
    require_move_label(request.actor, selectors.get_assistant(assistant_id), PRODUCTION)
    version = labels.move_label(assistant_id=assistant_id, label=PRODUCTION, number=int(number))
    messages.success(request, f"Version {version.number} is live. The draft was not changed.")
    return redirect(_url(request, "version_list", selectors.get_assistant(assistant_id)))


@tenant_page(_VIEW_AND_PUBLISH)
def assistant_share(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """The widget, the public page, and who may show them."""
    assistant = selectors.get_assistant(assistant_id)
    initial = {
        "is_public": assistant.is_public,
        "is_paused": assistant.is_paused,
        "allowed_origins": "\n".join(assistant.allowed_origins),
    }
    form = SharingForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            assistants.update_sharing(assistant_id=assistant.id, **form.sharing_fields())
        except Invalid as problem:
            form.add_errors(_errors(problem))
        else:
            messages.success(request, "Saved. It applies from now on.")
            return redirect(_url(request, "assistant_share", assistant))
    values = {**context.page(request, assistant, tab="share"), **context.sharing(assistant), "form": form}
    status = _UNPROCESSABLE if form.is_bound else 200
    return render(request, "assistants/assistant_share.html", values, status=status)


def _save(
    request: TenantRequest, assistant: Assistant, form: DraftForm, variables: Sequence[Variable | dict[str, Any]]
) -> HttpResponse:
    saved = assistants.update_draft(
        assistant_id=assistant.id, revision=form.cleaned_data["revision"], **form.draft_fields(variables)
    )
    if request.POST.get("intent") == "publish":
        require_move_label(request.actor, saved, PRODUCTION)
        version = versions.publish(assistant_id=saved.id, note=request.POST.get("note", ""))
        messages.success(request, f"Version {version.number} is live.")
        target = _url(request, "assistant_detail", saved)
        return HttpResponseClientRedirect(target) if request.htmx else redirect(target)
    if not request.htmx:
        messages.success(request, "Draft saved.")
        return redirect(_url(request, "assistant_edit", saved))
    fresh = selectors.get_assistant(saved.id)
    spec = selectors.draft_spec(fresh)
    form = _draft_form(None, initial=draft_initial(spec, revision=fresh.draft_revision))
    values = {**context.page(request, fresh, tab="edit"), "form": form, "is_saved": True}
    values |= {"variables": VariableForms(prefix="variables", initial=[one.as_dict() for one in spec.variables])}
    values |= {"outdated_blocks": selectors.outdated_blocks(fresh)}
    response = render(request, "assistants/_draft_form.html", values)
    add_toast(response, "Draft saved.", level="success")
    return response


def _draft_form(data: Any, *, initial: dict[str, Any]) -> DraftForm:
    bases = [(base.id, base.name) for base in knowledge.list_knowledge_bases().order_by("name")]
    return DraftForm(
        data,
        initial=initial,
        knowledge_bases=bases,
        snapshots=knowledge.list_snapshot_choices(),
        known_tags=knowledge.list_access_tags(),
        models=gateway.list_chat_choices(),
        routes=gateway.list_route_choices(),
    )


def _variable_forms(request: TenantRequest, variables: Sequence[Variable]) -> VariableForms:
    """The rows of the request, or the declared ones where it brings none."""
    initial = [variable.as_dict() for variable in variables]
    is_sent = "variables-TOTAL_FORMS" in request.POST
    return VariableForms(request.POST if is_sent else None, prefix="variables", initial=initial)


def _errors(problem: Invalid | Conflict) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = problem.extra.get("errors") or {"": [problem.detail]}
    return errors


def _first_sentence(problem: Invalid) -> str:
    return next((sentence for sentences in problem.errors.values() for sentence in sentences), problem.detail)


def _url(request: TenantRequest, name: str, assistant: Assistant) -> str:
    kwargs = {"tenant_slug": request.tenant.slug, "assistant_id": assistant.id}
    return reverse(f"assistants:{name}", kwargs=kwargs)
