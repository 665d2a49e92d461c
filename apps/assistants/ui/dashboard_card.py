"""What the dashboard says about assistants."""

from __future__ import annotations

from django.urls import reverse

from apps.assistants import selectors
from apps.assistants.models import Assistant
from parley.web.actors import Actor
from parley.web.dashboard import Attention, Contribution, Count, Step

_MOST = 200


def assistants_card(actor: Actor, tenant_slug: str) -> Contribution:
    """Number of assistants, paused ones to look at, publishing and embedding as steps; one query."""
    if not actor.can("assistants.view"):
        return Contribution()
    href = reverse("assistants:assistant_list", kwargs={"tenant_slug": tenant_slug})
    assistants = list(selectors.list_assistants().prefetch_related(None)[:_MOST])
    live = [each for each in assistants if each.published_version_id and not each.is_paused]
    detail = f"{len(live)} published" if assistants else ""
    return Contribution(
        counts=(Count("Assistants", f"{len(assistants):,}", href=href, detail=detail),),
        attention=tuple(
            Attention(
                f"“{each.name}” is paused: nobody gets an answer from it.",
                reverse("assistants:assistant_detail", kwargs={"tenant_slug": tenant_slug, "assistant_id": each.id}),
                "Open it",
            )
            for each in assistants
            if each.is_paused
        ),
        steps=_steps(actor, tenant_slug, assistants, href),
    )


def _steps(actor: Actor, tenant_slug: str, assistants: list[Assistant], href: str) -> tuple[Step, ...]:
    if not actor.can("assistants.publish"):
        return ()
    published = [each for each in assistants if each.published_version_id]
    share = href
    if published:
        share = reverse(
            "assistants:assistant_share", kwargs={"tenant_slug": tenant_slug, "assistant_id": published[0].id}
        )
    hint = "Write its instructions, choose what it knows, try the draft, publish."
    return (
        Step("Publish an assistant", hint, href, "Open Assistants", is_done=bool(published), icon="bot"),
        Step(
            "Embed the widget",
            "One line of HTML, and a list of the websites that may show it.",
            share,
            "Open Share" if published else "Open Assistants",
            is_done=any(each.allowed_origins for each in published),
            icon="code",
        ),
    )
