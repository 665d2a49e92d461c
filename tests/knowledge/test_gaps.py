"""Answer gaps: questions without an answer, put together by meaning, answered or dismissed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from apps.knowledge import gaps
from apps.knowledge.clustering import group_by_meaning
from apps.knowledge.models import Entry, RecordedSearch
from apps.knowledge.services import searches
from apps.tenants.models import AuditEvent
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey
from tests.knowledge.test_recorded_searches import record

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])

REFUND = ("How do I get a refund?", "Can I get my money back?", "I want a refund")
ROBOT = "Which robot vacuum is the quietest?"


def _unit(*angles: float) -> Any:
    degrees = np.radians(np.array(angles))
    return np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)


def test_questions_join_the_nearest_group_or_lead_one() -> None:
    """Cosine 0.9 is 25.8°: 20° joins 0°, 90° does not, and 100° joins 90°."""
    assert group_by_meaning(_unit(0, 90, 20, 100), [1, 1, 1, 1], threshold=0.9) == [[0, 2], [1, 3]]


def test_the_mean_of_a_group_follows_what_is_asked_most() -> None:
    """After 0° and 24° alike the mean lies at 12°, and 36° joins; when 0° was asked ten times it stays too far away."""
    assert group_by_meaning(_unit(0, 24, 36), [1, 1, 1], threshold=0.9) == [[0, 1, 2]]
    assert group_by_meaning(_unit(0, 24, 36), [10, 1, 1], threshold=0.9) == [[0, 1], [2]]


@pytest.fixture
def base(tenant_a: TenantWithKey, make_base: Make) -> Any:
    """A base of which a refund was asked in three ways and four times, a robot once, and two were answered."""
    made = make_base(tenant_a)
    for question in (*REFUND, REFUND[0].upper()):
        record(tenant_a, made, question=question, is_refusal=True)
    record(tenant_a, made, question=ROBOT, found_count=0)
    record(tenant_a, made, question="Where do I find my invoices?")
    record(tenant_a, make_base(tenant_a, "Other"), question="Who paints boats?", found_count=0)
    return made


def found(owner: TenantWithKey, base: Any) -> list[gaps.Gap]:
    with tenant_tx(owner.tenant.id):
        return gaps.list_gaps(knowledge_base_id=base.id)


def test_gaps_put_together_what_means_the_same(tenant_a: TenantWithKey, base: Any) -> None:
    """Differentiator 20: refused or nothing found, the most asked first, and nothing that was answered."""
    refund, robot = found(tenant_a, base)
    assert (refund.count, len(refund.questions)) == (4, 3)
    assert refund.questions[0].casefold() == REFUND[0].casefold(), "what was asked twice stands first"
    assert set(refund.questions[1:]) == set(REFUND[1:])
    assert (robot.count, robot.questions) == (1, (ROBOT,))


def test_gaps_look_back_thirty_days(tenant_a: TenantWithKey, base: Any) -> None:
    with tenant_tx(tenant_a.tenant.id):
        old = RecordedSearch.objects.filter(question=ROBOT)
        old.update(created_at=timezone.now() - gaps.LOOKED_BACK - timedelta(minutes=1))
    assert [gap.count for gap in found(tenant_a, base)] == [4]


def test_without_an_embedder_only_the_same_words_stand_together(
    tenant_a: TenantWithKey, make_base: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.llm import LlmError

    def fail(_: object) -> None:
        raise LlmError("unreachable", "The embedder is away.")

    monkeypatch.setattr(searches, "embed_short", fail)
    base = make_base(tenant_a)
    for question in (REFUND[0], f" {REFUND[0].lower()}", REFUND[2]):
        record(tenant_a, base, question=question, is_refusal=True)
    assert [gap.count for gap in found(tenant_a, base)] == [2, 1]


def test_an_editor_answers_a_gap(client: Client, tenant_a: TenantWithKey, base: Any) -> None:
    """The way from a gap to a draft: question and other ways to ask are filled in, approval is still to come."""
    client.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    page = client.get(f"/t/{tenant_a.tenant.slug}/knowledge/{base.id}/gaps/")
    _, answer_url = page.context["gaps"][0]
    assert answer_url.replace("&", "&amp;") in page.content.decode()
    form = client.get(answer_url).context["form"]
    question, phrasings = form["question"].value(), form["phrasings"].value()
    assert question.casefold() == REFUND[0].casefold()
    assert set(phrasings.splitlines()) == set(REFUND[1:])
    client.post(answer_url, {"question": question, "phrasings": phrasings, "answer": "Write to us within 14 days."})
    with tenant_tx(tenant_a.tenant.id):
        entry = Entry.objects.get()
    assert (entry.kind, entry.approved_at, set(entry.phrasings)) == ("curated", None, set(REFUND[1:]))


def test_a_dismissed_gap_stays_away_and_can_come_back(client: Client, tenant_a: TenantWithKey, base: Any) -> None:
    client.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    path = f"/t/{tenant_a.tenant.slug}/knowledge/{base.id}/gaps/"
    ids = [str(search_id) for search_id in found(tenant_a, base)[0].search_ids]
    page = client.post(path, {"search": ids}, follow=True).content.decode()
    assert "3 questions dismissed" in page
    assert REFUND[1] not in page
    assert ROBOT in page
    record(tenant_a, base, question=REFUND[1].lower(), is_refusal=True)
    assert [gap.questions for gap in found(tenant_a, base)] == [(ROBOT,)]
    with tenant_tx(tenant_a.tenant.id):
        event = AuditEvent.objects.get(action="gap.dismissed")
        assert REFUND[0] not in str(event.after), "people's words stay out of the audit log"
    assert client.post(path, {"search": ["x"]}).status_code in (400, 422)
    client.post(path, {"restore": "1"})
    assert [gap.count for gap in found(tenant_a, base)] == [5, 1]


def test_viewers_read_gaps_and_change_nothing(client: Client, tenant_a: TenantWithKey, base: Any) -> None:
    client.force_login(add_member(tenant_a.tenant, "viewer@acme.example", "viewer"))
    path = f"/t/{tenant_a.tenant.slug}/knowledge/{base.id}/gaps/"
    page = client.get(path).content.decode()
    assert ROBOT in page
    assert 'name="search"' not in page
    assert "Write an answer" not in page
    assert client.post(path, {"restore": "1"}).status_code == 403


def test_the_api_lists_searches_and_gaps_and_dismisses(
    client: Client, two_tenants: tuple[TenantWithKey, TenantWithKey], base: Any
) -> None:
    owner, stranger = two_tenants
    path = f"/api/v1/knowledge-bases/{base.id}/"
    searched = client.get(f"{path}searches/?limit=2", headers=owner.headers).json()
    assert [row["question"] for row in searched["results"]] == ["Where do I find my invoices?", ROBOT]
    assert searched["results"][1]["found_count"] == 0
    refund, robot = client.get(f"{path}gaps/", headers=owner.headers).json()["results"]
    assert (refund["count"], robot["questions"]) == (4, [ROBOT])

    def dismiss(by: TenantWithKey, ids: list[str]) -> int:
        body = {"search_ids": ids}
        sent = client.post(f"{path}gaps/dismiss/", body, content_type="application/json", headers=by.headers)
        return sent.status_code

    assert dismiss(stranger, robot["search_ids"]) == 404
    assert dismiss(owner, []) == 400
    assert dismiss(owner, [str(base.id)]) == 404
    assert dismiss(owner, robot["search_ids"]) == 204
    left = client.get(f"{path}gaps/", headers=owner.headers).json()["results"]
    assert [gap["count"] for gap in left] == [4]


def test_old_searches_of_every_tenant_are_asked_to_go(
    tenant_a: TenantWithKey, base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(searches, "enqueue", lambda name, tenant_id: asked.append((name, tenant_id)))
    assert searches.sweep_searches() == 0
    with use_tenant(tenant_a.tenant.id), tenant_tx():
        RecordedSearch.objects.update(created_at=timezone.now() - searches.KEPT_FOR - timedelta(hours=1))
    assert searches.sweep_searches() == 1
    assert asked == [("knowledge.forget_searches", tenant_a.tenant.id)]
