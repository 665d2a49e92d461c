"""The page of answer gaps: what people asked and got no answer to, to be answered or dismissed."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from apps.knowledge import gaps, selectors
from apps.knowledge.enums import EntryKind
from apps.knowledge.services.searches import dismiss_searches, restore_searches
from apps.knowledge.ui.views.tabs import tabs
from parley.errors import Invalid
from parley.web.access import TenantRequest, tenant_page


@tenant_page({"GET": "knowledge.view", "POST": "knowledge.edit"})
def gap_list(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """The gaps of a base. POST dismisses the questions of each `search`, or brings all back with `restore=1`."""
    base = selectors.get_knowledge_base(base_id)
    if request.method == "POST":
        if request.POST.get("restore") == "1":
            restore_searches(knowledge_base_id=base.id)
            messages.success(request, "The dismissed questions are back.")
        else:
            dismiss_searches(knowledge_base_id=base.id, search_ids=_ids(request.POST.getlist("search")))
            messages.success(request, "Dismissed. The same questions stay away when they are asked again.")
        return redirect("knowledge:gap_list", tenant_slug=request.tenant.slug, base_id=base.id)
    address = {"tenant_slug": request.tenant.slug, "base_id": base.id, "kind": EntryKind.CURATED.value}
    answer_url = reverse("knowledge:entry_add", kwargs=address)
    found = gaps.list_gaps(knowledge_base_id=base.id)
    context = {
        "base": base,
        "tabs": tabs(request, base.id, "gaps"),
        "gaps": [(gap, f"{answer_url}?{_as_address(gap)}") for gap in found],
        "dismissed_count": gaps.count_dismissed(knowledge_base_id=base.id),
        "days": gaps.LOOKED_BACK.days,
    }
    return render(request, "knowledge/gap_list.html", context)


def _as_address(gap: gaps.Gap) -> str:
    question, *also = gap.examples
    return urlencode({"question": question, "also": also}, doseq=True)


def _ids(texts: list[str]) -> list[UUID]:
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise Invalid("Reload the page and dismiss the questions again.") from None
