"""What an organisation keeps is counted, and limits refuse with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.knowledge.models import Document
from apps.knowledge.services import documents
from parley.errors import Invalid
from parley.tenancy import tenant_tx
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


def _limit(owner: TenantWithKey, **limits: int) -> str:
    words = StringIO()
    call_command("set_knowledge_quota", tenant=owner.tenant.slug, stdout=words, **limits)
    return words.getvalue()


def test_totals_are_shown_by_page_and_api(
    client: Client, tenant_a: TenantWithKey, tenant_b: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    index(tenant_a, add(tenant_a, make_base(tenant_a), "a.md", b"Some words for everybody."))
    index(tenant_b, add(tenant_b, make_base(tenant_b), "b.md", b"Words of somebody else."))
    usage = client.get("/api/v1/knowledge-usage/", headers=tenant_a.headers).json()
    assert (usage["documents"], usage["bytes"], usage["chunks"]) == (1, 25, 1)
    assert usage["tokens"] > 0
    assert usage["max_documents"] is None
    _limit(tenant_a, documents=7)
    client.force_login(add_member(tenant_a.tenant, "viewer@acme.example", "viewer"))
    assert "1 of 7 document" in client.get(f"/t/{tenant_a.tenant.slug}/knowledge/").content.decode()


def test_a_limit_refuses_the_next_document_and_not_a_new_version(
    tenant_a: TenantWithKey, tenant_b: TenantWithKey, make_base: Make, add: Make
) -> None:
    base = make_base(tenant_a)
    assert "may keep 1 documents and files of any size together" in _limit(tenant_a, documents=1)
    add(tenant_a, base, "a.md", b"One.")
    with pytest.raises(Invalid, match="1 of 1 documents"):
        add(tenant_a, base, "b.md", b"Two.")
    add(tenant_a, base, "a.md", b"One, corrected.")
    add(tenant_b, make_base(tenant_b), "b.md", b"Another organisation has its own limits.")
    with tenant_tx(tenant_a.tenant.id):
        kept = Document.objects.get()
        documents.delete_document(document_id=kept.id)
    add(tenant_a, base, "b.md", b"Two.")


def test_a_limit_of_bytes_refuses_what_would_not_fit(tenant_a: TenantWithKey, make_base: Make, add: Make) -> None:
    base = make_base(tenant_a)
    _limit(tenant_a, megabytes=1)
    add(tenant_a, base, "a.md", b"x " * 400_000)
    with pytest.raises(Invalid, match="would not fit"):
        add(tenant_a, base, "b.md", b"y " * 400_000)
    with pytest.raises(CommandError):
        _limit(tenant_a, megabytes=-1)
