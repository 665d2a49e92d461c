"""Tune the search of a knowledge base from test cases: compared first, applied only when somebody confirms."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.evaluations.services.search_tuning import tune_from_cases
from apps.evaluations.ui.forms import TuningForm
from apps.knowledge import selectors as knowledge
from apps.knowledge.services.retrieval_settings import update_retrieval_settings
from parley.errors import Problem
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page


@tenant_page({"GET": "knowledge.edit", "POST": "knowledge.edit"})
def search_tuning(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """GET compares the present settings with what the cases suggest; POST applies the suggestion it was sent."""
    base = knowledge.get_knowledge_base(base_id)
    if request.method == "POST":
        form = TuningForm(request.POST)
        if form.is_valid():
            with tenant_tx():
                update_retrieval_settings(knowledge_base_id=base.id, changes=form.cleaned_data)
            messages.success(request, "Saved. Every search of this knowledge base uses these settings now.")
        else:
            messages.error(request, "These settings do not fit. Compare again.")
        return redirect("knowledge:retrieval_test", tenant_slug=request.tenant.slug, base_id=base.id)
    context = {"base": base, "now": knowledge.get_retrieval_settings(base.id)}
    try:
        context["tuning"] = tune_from_cases(knowledge_base_id=base.id)
    except Problem as problem:
        context["problem"] = problem.detail
    return render(request, "evaluations/search_tuning.html", context)
