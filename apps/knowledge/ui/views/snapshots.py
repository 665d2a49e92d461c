"""Pages of snapshots: the list, what changed since one, and which questions would find something else."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.knowledge import selectors, snapshots
from apps.knowledge.services.snapshots import delete_snapshot, take_snapshot
from apps.knowledge.ui.forms import QuestionsForm, SnapshotForm
from apps.knowledge.ui.views.tabs import tabs
from parley.errors import Problem
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem


@tenant_page({"GET": "knowledge.view", "POST": "knowledge.edit"})
def snapshot_list(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """The snapshots of a base, and the form that takes another one."""
    base = selectors.get_knowledge_base(base_id)
    form = SnapshotForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with tenant_tx():
                taken = take_snapshot(knowledge_base_id=base.id, **form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, f"“{taken.name}” was taken. It finds what can be found now.")
            return redirect("knowledge:snapshot_list", tenant_slug=request.tenant.slug, base_id=base.id)
    context = {
        "base": base,
        "form": form,
        "snapshots": snapshots.list_snapshots(knowledge_base_id=base.id),
        "tabs": tabs(request, base.id, "snapshots"),
    }
    return render(request, "knowledge/snapshot_list.html", context, status=422 if form.is_bound else 200)


@tenant_page("knowledge.view")
def snapshot_detail(request: TenantRequest, snapshot_id: UUID) -> HttpResponse:
    """What changed since a snapshot; with questions also what each would find then and now."""
    snapshot = snapshots.get_snapshot(snapshot_id)
    form = QuestionsForm(request.POST or None)
    compared = None
    if request.method == "POST" and form.is_valid():
        try:
            compared = snapshots.compare_questions(snapshot, snapshots.questions_of(form.cleaned_data["questions"]))
        except Problem as problem:
            add_problem(form, problem)
    context = {
        "base": snapshot.knowledge_base,
        "snapshot": snapshot,
        "changes": snapshots.changes_since(snapshot),
        "form": form,
        "compared": compared,
        "changed_count": sum(not change.is_same for change in compared or ()),
        "tabs": tabs(request, snapshot.knowledge_base_id, "snapshots"),
    }
    return render(request, "knowledge/snapshot_detail.html", context, status=422 if form.errors else 200)


@tenant_page({"POST": "knowledge.edit"})
def snapshot_delete(request: TenantRequest, snapshot_id: UUID) -> HttpResponse:
    """Forget a snapshot."""
    snapshot = snapshots.get_snapshot(snapshot_id)
    delete_snapshot(snapshot_id=snapshot.id)
    messages.success(request, f"“{snapshot.name}” was deleted. What was pinned to it searches the base as it is now.")
    return redirect("knowledge:snapshot_list", tenant_slug=request.tenant.slug, base_id=snapshot.knowledge_base_id)
