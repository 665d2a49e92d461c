"""What this app has to say on the dashboard: spending, and what keeps models from being asked."""

from __future__ import annotations

from decimal import Decimal

from django.urls import reverse

from apps.gateway import selectors
from apps.gateway.contracts import BudgetStatus
from parley.web.actors import Actor
from parley.web.dashboard import Attention, Contribution, Count
from parley.web.templatetags.ui import money

_WARN_AT = Decimal("0.8")


def gateway_card(actor: Actor, tenant_slug: str) -> Contribution:
    """This month's spending for those who may see it; a warning from 80 % of the limit on."""
    if not actor.can("budgets.view"):
        return Contribution()
    status = selectors.budget_status()
    href = reverse("gateway:budget_list", kwargs={"tenant_slug": tenant_slug})
    detail = "no limit" if status.limit is None else f"of {money(status.limit)}"
    count = Count("Spent this month", money(status.spent), href=href, detail=detail)
    return Contribution(counts=(count,), attention=_attention(status, href))


def _attention(status: BudgetStatus, href: str) -> tuple[Attention, ...]:
    if status.limit is None:
        return ()
    used = status.spent + status.held
    if used >= status.limit:
        return (Attention("This month's budget is used up: only free models answer.", href, "See budget", "bad"),)
    if used >= status.limit * _WARN_AT:
        return (Attention("More than 80 % of this month's budget is used.", href, "See budget"),)
    return ()
