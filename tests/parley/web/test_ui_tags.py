"""The template vocabulary: figures and instants in words, navigation by permission."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.template import Context, RequestContext, Template
from django.test import RequestFactory
from django.utils import timezone

from parley.web.templatetags import ui


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("0.0123456"), "$0.012"),
        (Decimal("0.000000123"), "$0.00000012"),
        (Decimal("0.5"), "$0.50"),
        (Decimal(0), "$0.00"),
        (Decimal(-3), "−$3.00"),
        (None, "–"),
    ],
)
def test_money(amount: Decimal | None, words: str) -> None:
    assert ui.money(amount) == words


@pytest.mark.parametrize(
    ("filter_", "value", "words"),
    [
        (ui.number, 1234567, "1,234,567"),
        (ui.compact, 1234567, "1.2M"),
        (ui.compact, 2000, "2k"),
        (ui.compact, 12, "12"),
        (ui.percent, 0.424, "42 %"),
        (ui.milliseconds, 420, "420 ms"),
        (ui.milliseconds, 3210, "3.2 s"),
        (ui.milliseconds, 125_000, "2 min 5 s"),
        (ui.words, "in_progress", "In progress"),
        (ui.initials, "Ada Lovelace", "AL"),
        (ui.initials, "grace.hopper@example.com", "GH"),
        (ui.initials, "", "?"),
        (ui.tone, "failed", "bad"),
        (ui.tone, "embedding", "busy"),
        (ui.tone, "something else", "neutral"),
    ],
)
def test_words(filter_: Callable[[object], str], value: object, words: str) -> None:
    assert filter_(value) == words


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=10), "just now"),
        (timedelta(seconds=50), "1 minute ago"),
        (timedelta(minutes=5), "5 minutes ago"),
        (timedelta(hours=1, minutes=10), "1 hour ago"),
        (timedelta(days=3), "3 days ago"),
        (-timedelta(hours=2, minutes=1), "in 2 hours"),
    ],
)
def test_ago(distance: timedelta, words: str) -> None:
    assert ui.ago(timezone.now() - distance) == words


def test_ago_gives_old_instants_a_date_and_missing_ones_a_word() -> None:
    assert str((timezone.now() - timedelta(days=400)).year) in ui.ago(timezone.now() - timedelta(days=400))
    assert ui.ago(None) == "never"


def test_share_of_stays_between_nothing_and_all() -> None:
    assert ui.share_of(1, 4) == "25.00"
    assert ui.share_of(9, 4) == "100.00"
    assert ui.share_of(1, 0) == "0"


def test_icons_are_decoration_unless_they_are_named() -> None:
    assert 'aria-hidden="true"' in ui.icon("x")
    named = ui.icon("x", label='Close "it"')
    assert 'aria-label="Close &quot;it&quot;"' in named
    assert "aria-hidden" not in named


def test_navigation_shows_only_what_the_actor_may_see() -> None:
    request: Any = RequestFactory().get("/t/acme/knowledge/7/")
    request.tenant = SimpleNamespace(slug="acme")
    request.actor = SimpleNamespace(can=lambda permission: permission in {"tenant.view", "knowledge.view"})
    links = ui.navigation(RequestContext(request))
    assert [link.key for link in links] == ["dashboard", "knowledge", "settings"]
    assert [link.key for link in links if link.is_current] == ["knowledge"]


def test_a_literal_in_a_code_block_is_shown_and_not_run() -> None:
    """L-01: Django takes literals of templates for safe; the block must not."""
    template = Template('{% include "components/code_block.html" with code="<script>alert(1)</script>" only %}')
    assert "<script>" not in template.render(Context())
