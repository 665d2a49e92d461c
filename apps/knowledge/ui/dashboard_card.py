"""What the dashboard says about knowledge."""

from __future__ import annotations

from django.urls import reverse

from apps.knowledge import selectors
from parley.web.actors import Actor
from parley.web.dashboard import Attention, Contribution, Count, Step


def knowledge_card(actor: Actor, tenant_slug: str) -> Contribution:
    """Number of documents, failed ones to look at, and the first upload as a step; one query."""
    if not actor.can("knowledge.view"):
        return Contribution()
    href = reverse("knowledge:base_list", kwargs={"tenant_slug": tenant_slug})
    bases = list(selectors.list_knowledge_bases()[:200])
    total = sum(base.document_count for base in bases)
    unfinished = sum(base.unfinished_count for base in bases)
    counts = (Count("Documents", f"{total:,}", href=href, detail=f"{unfinished} being indexed" if unfinished else ""),)
    attention = tuple(
        Attention(
            f"{base.failed_count} of the documents in “{base.name}” could not be indexed.",
            reverse("knowledge:base_detail", kwargs={"tenant_slug": tenant_slug, "base_id": base.id}),
            "See why",
            "bad",
        )
        for base in bases
        if base.failed_count
    )
    steps: tuple[Step, ...] = ()
    if actor.can("knowledge.edit"):
        hint = "Answers are only as good as the documents they come from."
        steps = (Step("Add a document", hint, href, "Open Knowledge", is_done=total > 0, icon="library"),)
    return Contribution(counts=counts, attention=attention, steps=steps)
