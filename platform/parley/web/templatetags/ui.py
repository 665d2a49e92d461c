"""What templates need beyond Django's own: icons, navigation, and numbers and instants in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zlib import crc32

import lucide
from django import template
from django.middleware.csrf import get_token
from django.template.context import Context
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

NOTHING = "\N{EN DASH}"


@lru_cache(maxsize=512)
def _svg(name: str, size: int, css_class: str, label: str) -> SafeString:
    attributes: dict[str, object] = {"class": f"icon {css_class}".strip()}
    if label:
        attributes |= {"role": "img", "aria-label": label}
    else:
        attributes |= {"aria-hidden": "true", "focusable": "false"}
    drawing = lucide._render_icon(name, size, stroke_width="1.75", **attributes)
    return mark_safe(drawing)  # noqa: S308 # drawn by the wheel; ElementTree has escaped our attributes


@register.simple_tag
def icon(name: str, size: int = 16, css_class: str = "", label: str = "") -> SafeString:
    """The Lucide drawing `name` as inline SVG; without `label` it is decoration, hidden from readers."""
    return _svg(str(name), int(size), str(css_class), str(label))


@register.simple_tag(takes_context=True)
def repeat_block(context: Context, name: str) -> str:
    """Render the block `name` again: Django refuses two blocks of one name, and a title stands twice."""
    blocks = context.render_context.get(BLOCK_CONTEXT_KEY)
    block = blocks.get_block(name) if blocks is not None else None
    return str(block.render(context)).strip() if block is not None else ""


@register.simple_tag(takes_context=True)
def csrf_field(context: Context) -> SafeString:
    """`csrf_token` for includes with `only`, which do not see the context processors' values."""
    request = getattr(context, "request", None)
    if request is None:
        return SafeString("")
    return format_html('<input type="hidden" name="csrfmiddlewaretoken" value="{}">', get_token(request))


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the navigation; `shortcut` is the key after `g` that leads there."""

    key: str
    label: str
    icon: str
    url_name: str
    path: str
    permission: str
    shortcut: str


NAVIGATION: tuple[NavItem, ...] = (
    NavItem("dashboard", "Dashboard", "layout-dashboard", "tenants:dashboard", "", "tenant.view", "d"),
    NavItem("assistants", "Assistants", "bot", "assistants:assistant_list", "assistants/", "assistants.view", "a"),
    NavItem(
        "conversations",
        "Conversations",
        "messages-square",
        "conversations:conversation_list",
        "conversations/",
        "conversations.view",
        "c",
    ),
    NavItem("knowledge", "Knowledge", "library", "knowledge:base_list", "knowledge/", "knowledge.view", "k"),
    NavItem(
        "evaluations",
        "Evaluations",
        "flask-conical",
        "evaluations:experiment_list",
        "evaluations/",
        "evaluations.view",
        "e",
    ),
    NavItem("models", "Models", "cpu", "gateway:model_list", "models/", "gateway.view", "m"),
    NavItem("budgets", "Budgets", "wallet", "gateway:budget_list", "budgets/", "budgets.view", "b"),
    NavItem("settings", "Settings", "settings", "tenants:settings", "settings/", "tenant.view", "s"),
)


@dataclass(frozen=True, slots=True)
class NavLink:
    """A navigation entry as this reader sees it."""

    key: str
    label: str
    icon: str
    href: str
    is_current: bool
    shortcut: str


def _tenant_url(item: NavItem, slug: str) -> str:
    try:
        return reverse(item.url_name, kwargs={"tenant_slug": slug})
    except NoReverseMatch:
        return f"/t/{slug}/{item.path}"


@register.simple_tag(takes_context=True)
def navigation(context: Context) -> list[NavLink]:
    """The entries the actor of this request may open, with the current one marked.

    A page that belongs elsewhere than its address says names its entry as `current_nav` in its context.
    """
    request = getattr(context, "request", None)
    tenant = getattr(request, "tenant", None)
    actor = getattr(request, "actor", None)
    if request is None or tenant is None or actor is None:
        return []
    links = []
    current = context.get("current_nav")
    for item in NAVIGATION:
        if not actor.can(item.permission):
            continue
        href = _tenant_url(item, tenant.slug)
        is_current = request.path == href if not item.path else request.path.startswith(href)
        if current:
            is_current = item.key == current
        links.append(NavLink(item.key, item.label, item.icon, href, is_current, item.shortcut))
    return links


@register.filter
def may(actor: Any, permission: str) -> bool:
    """`{% if request.actor|may:"knowledge.edit" %}`: no button that its reader may not press."""
    return actor is not None and bool(actor.can(permission))


@register.filter
def split(text: str, separator: str = ",") -> list[str]:
    """`"3,5,9"|split` → a list, for the loops of small literal sets in templates."""
    return [part.strip() for part in str(text).split(separator)]


# -- words for states -----------------------------------------------------------

_WORDS_BY_TONE = {
    "good": "indexed ready completed published active passed accepted verified healthy live succeeded ok",
    "bad": "failed error revoked rejected blocked exhausted unhealthy over down regressed",
    "warn": "interrupted partial expiring degraded paused stale expired unverified unpublished",
    "busy": "queued running extracting chunking embedding indexing processing streaming retrying",
    "accent": "draft open new invited",
}
_TONES = {word: tone for tone, words in _WORDS_BY_TONE.items() for word in words.split()}


@register.filter
def tone(status: object) -> str:
    """The tone (good, bad, warn, busy, accent, neutral) in which a status word is shown."""
    return _TONES.get(str(getattr(status, "value", status)).lower(), "neutral")


@register.filter
def words(value: object) -> str:
    """`not_started` → `Not started`."""
    text = str(getattr(value, "value", value)).replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


# -- people ----------------------------------------------------------------------


@register.filter
def initials(name: object) -> str:
    """One or two letters for an avatar: of the first and last word, or of the part before the @."""
    parts = [
        part for part in str(name or "").split("@")[0].replace(".", " ").replace("_", " ").split() if part[0].isalnum()
    ]
    if not parts:
        return "?"
    letters = parts[0][0] if len(parts) == 1 else parts[0][0] + parts[-1][0]
    return letters.upper()


@register.filter
def hue(name: object) -> int:
    """0 to 5, always the same for one name: the avatar's colour."""
    return crc32(str(name).encode()) % 6


# -- numbers and instants ----------------------------------------------------------


@register.filter
def money(value: object) -> str:
    """US dollars: two decimals from a dollar up, otherwise as many as show two significant digits."""
    if value is None or value == "":
        return NOTHING
    amount = Decimal(str(value))
    if amount == 0:
        return "$0.00"
    magnitude = abs(amount)
    places = 2 if magnitude >= 1 else min(9, max(2, -magnitude.adjusted() + 1))
    sign = "\N{MINUS SIGN}" if amount < 0 else ""
    return f"{sign}${magnitude:,.{places}f}"


@register.filter
def number(value: object) -> str:
    """1234567 → `1,234,567`; nothing → a dash."""
    if value is None or value == "":
        return NOTHING
    return f"{value:,}" if isinstance(value, int) else f"{Decimal(str(value)):,}"


@register.filter
def compact(value: object) -> str:
    """1234567 → `1.2M`: for counts whose last digits nobody reads."""
    if value is None or value == "":
        return NOTHING
    amount = float(str(value))
    for limit, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= limit:
            return f"{amount / limit:.1f}".removesuffix(".0") + suffix
    return f"{amount:g}"


@register.filter
def percent(value: object) -> str:
    """A share between 0 and 1 as `42 %`."""
    return NOTHING if value is None or value == "" else f"{float(str(value)) * 100:.0f} %"


@register.filter
def milliseconds(value: object) -> str:
    """Milliseconds as people say them: `420 ms`, `3.2 s`, `2 min 5 s`."""
    if value is None or value == "":
        return NOTHING
    amount = float(str(value))
    if amount < 1000:
        return f"{amount:.0f} ms"
    if amount < 60_000:
        return f"{amount / 1000:.1f} s"
    minutes, seconds = divmod(round(amount / 1000), 60)
    return f"{minutes} min {seconds} s"


_UNITS: Iterable[tuple[str, int]] = (("day", 86_400), ("hour", 3_600), ("minute", 60))


@register.filter
def ago(at: datetime | None) -> str:
    """An instant relative to now, as the page first shows it; relative-time.js keeps it true."""
    if at is None:
        return "never"
    distance = timezone.now() - at
    seconds = abs(distance.total_seconds())
    if seconds < 45:
        return "just now"
    if seconds > timedelta(days=30).total_seconds():
        return date_format(timezone.localtime(at), "j M Y")
    for unit, size in _UNITS:
        count = int(seconds // size)
        if count >= 1:
            span = f"{count} {unit}" if count == 1 else f"{count} {unit}s"
            return f"{span} ago" if distance > timedelta() else f"in {span}"
    return "1 minute ago" if distance > timedelta() else "in 1 minute"


@register.filter
def share_of(value: object, whole: object) -> str:
    """`value` as a percentage of `whole` between 0 and 100, for widths in SVG (`"42.5"`)."""
    try:
        ratio = float(str(value)) / float(str(whole))
    except (TypeError, ValueError, ZeroDivisionError):
        return "0"
    return f"{min(max(ratio, 0.0), 1.0) * 100:.2f}"
