"""The demo comes out complete, the same each time, and only where a demo belongs."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from apps.assistants import selectors as assistants
from apps.evaluations import selectors as evaluations
from apps.gateway import selectors as gateway
from apps.knowledge import selectors as knowledge
from apps.tenants import selectors as tenants
from apps.tenants.services.api_keys import find_actor_by_token
from parley.config.demo import content
from parley.tenancy import tenant_tx, use_tenant

pytestmark = pytest.mark.django_db(transaction=True)


def make_demo() -> dict[str, Any]:
    out = io.StringIO()
    call_command("demo", "--json", stdout=out, stderr=io.StringIO())
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


def test_the_demo_is_whole_and_comes_out_the_same_again() -> None:
    first = make_demo()
    assert set(first) == {"url", "tenant", "email", "password", "api_key", "assistant", "widget_id"}

    started = time.monotonic()
    assert make_demo() == first
    assert time.monotonic() - started < 2

    assert Client().login(username=first["email"], password=first["password"])
    actor = find_actor_by_token(first["api_key"])
    assert actor is not None
    assert actor.tenant.slug == "demo"
    with use_tenant(actor.tenant.id), tenant_tx():
        _check_content(first)
    with use_tenant(actor.tenant.id):
        _check_the_landing_question()


def _check_content(sign_in: dict[str, Any]) -> None:
    base = knowledge.list_knowledge_bases().get()
    documents = list(knowledge.list_documents(knowledge_base_id=base.id))
    assert {row.name for row in documents} == {path.name for path in content.guide_files()}
    assert {row.status for row in documents} == {"indexed"}

    assistant = assistants.get_assistant("parley-guide")
    assert assistant.public_id == sign_in["widget_id"]
    assert assistant.is_public
    assert sign_in["url"].rstrip("/") in assistant.allowed_origins
    assert assistants.list_versions(assistant).count() == 1

    dataset = evaluations.find_dataset(content.DATASET_NAME)
    assert dataset is not None
    cases = list(evaluations.list_cases(dataset.id))
    assert len(cases) == 20
    assert all(case.expected_facts and case.expected_document for case in cases)

    (experiment,) = evaluations.list_experiments()
    assert experiment.status == "completed"
    assert experiment.done_count == 20
    right_source = evaluations.summarise(experiment.id)[1]
    assert right_source.scored_count == 20
    assert right_source.passed_count >= 14
    assert gateway.budget_status().limit == content.MONTHLY_BUDGET


def _check_the_landing_question() -> None:
    with tenant_tx():
        base = knowledge.list_knowledge_bases().get()
    passages = knowledge.search(knowledge_base_ids=[base.id], query="How do I embed the widget in my website?", limit=3)
    assert any("widget/v1.js" in passage.text for passage in passages)


@pytest.fixture
def one_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A guide of one page with one question, for what does not depend on the content."""
    page, questions = tmp_path / "page.md", tmp_path / "questions.csv"
    page.write_text("# Page\n\nThe first answer is seven.\n")
    questions.write_text("question,expected_facts,expected_document\nWhat is the first answer?,seven,page.md\n")
    monkeypatch.setattr(content, "guide_files", lambda: [page])
    monkeypatch.setattr(content, "QUESTIONS_FILE", questions)
    return page


@pytest.mark.usefixtures("one_page")
def test_a_changed_password_and_a_revoked_key_work_again_afterwards() -> None:
    from django.contrib.auth import get_user_model

    from apps.tenants.services.api_keys import revoke_api_key

    first = make_demo()
    user = get_user_model().objects.get(email=first["email"])
    user.set_password("something else entirely")
    user.save()
    actor = find_actor_by_token(first["api_key"])
    assert actor is not None
    assert actor.id is not None
    with tenant_tx(actor.tenant.id):
        revoke_api_key(key_id=actor.id)
    assert find_actor_by_token(first["api_key"]) is None

    assert make_demo() == first
    assert Client().login(username=first["email"], password=first["password"])
    assert find_actor_by_token(first["api_key"]) is not None


def test_a_page_that_changed_is_indexed_anew(one_page: Path) -> None:
    make_demo()
    one_page.write_text("# Page\n\nThe second answer is nine.\n")
    make_demo()
    demo = tenants.find_tenant(slug="demo")
    assert demo is not None
    with tenant_tx(demo.id):
        base = knowledge.list_knowledge_bases().get()
        (document,) = knowledge.list_documents(knowledge_base_id=base.id)
        (chunk,) = knowledge.list_chunks(document_id=document.id)
    assert "nine" in chunk.text


@pytest.mark.usefixtures("one_page")
def test_what_people_changed_stays() -> None:
    from apps.assistants.services.assistants import update_draft

    make_demo()
    demo = tenants.find_tenant(slug="demo")
    assert demo is not None
    with tenant_tx(demo.id):
        assistant = assistants.get_assistant("parley-guide")
        update_draft(assistant_id=assistant.id, instructions="Answer in rhymes.")
    make_demo()
    with tenant_tx(demo.id):
        assert assistants.get_draft_spec("parley-guide").instructions == "Answer in rhymes."
        assert assistants.list_versions(assistant).count() == 1


def test_it_is_refused_where_it_is_switched_off(settings: Any) -> None:
    settings.PARLEY_DEMO = False
    with pytest.raises(CommandError, match="switched off"):
        make_demo()
    assert tenants.find_tenant(slug="demo") is None


def test_it_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "parley.config.settings.production")
    with pytest.raises(CommandError, match="no demo in production"):
        make_demo()
    assert tenants.find_tenant(slug="demo") is None


def test_a_customer_called_demo_is_left_alone(db: None) -> None:
    from apps.tenants.services.tenants import create_tenant
    from tests.factories.tenants import make_user

    create_tenant(name="Demo Corp", owner=make_user("ada@demo.example"), slug="demo")
    with pytest.raises(CommandError, match="is not the demo"):
        make_demo()
