"""Snapshots by page and by API, and an assistant that keeps to one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.assistants import selectors as assistants
from apps.assistants.services.assistants import create_assistant, update_draft
from apps.assistants.services.versions import publish
from apps.knowledge.services.snapshots import take_snapshot
from parley.errors import Invalid
from parley.tenancy import tenant_tx
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])

OLD = b"The Team plan costs 40 euros a month."
NEW = b"The Team plan costs 55 euros a month."


@pytest.fixture
def base(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    made = make_base(tenant_a)
    index(tenant_a, add(tenant_a, made, "prices.md", OLD))
    return made


def test_the_page_takes_compares_and_deletes(
    client: Client, tenant_a: TenantWithKey, base: Any, add: Make, index: Make
) -> None:
    client.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    home = f"/t/{tenant_a.tenant.slug}/knowledge/"
    page = f"{home}{base.id}/snapshots/"
    assert "No snapshots yet" in client.get(page).content.decode()
    taken = client.post(page, {"name": "Spring", "note": "before prices"}, follow=True).content.decode()
    assert "Spring" in taken
    assert client.post(page, {"name": "Spring"}).status_code == 422
    index(tenant_a, add(tenant_a, base, "prices.md", NEW))
    detail = client.get(page).content.decode().split("knowledge/snapshots/")[1][:36]
    shown = client.get(f"{home}snapshots/{detail}/").content.decode()
    assert "40 euros" in shown
    assert "55 euros" in shown
    compared = client.post(f"{home}snapshots/{detail}/", {"questions": "What does the Team plan cost?"})
    assert "1 of 1 question would find something else" in compared.content.decode()
    assert client.post(f"{home}snapshots/{detail}/", {"questions": " "}).status_code == 422
    gone = client.post(f"{home}snapshots/{detail}/delete/", follow=True).content.decode()
    assert "was deleted" in gone


def test_the_api_takes_shows_and_compares(
    client: Client, tenant_a: TenantWithKey, base: Any, add: Make, index: Make
) -> None:
    def call(method: str, path: str, body: Any = None) -> Any:
        send = getattr(client, method)
        return send(f"/api/v1/{path}", body, content_type="application/json", headers=tenant_a.headers)

    path = f"knowledge-bases/{base.id}/snapshots/"
    first = call("post", path, {"name": "Spring"})
    assert first.status_code == 201
    index(tenant_a, add(tenant_a, base, "prices.md", NEW))
    second = call("post", path, {}).json()
    assert second["name"] == "Snapshot 2"
    assert [row["number"] for row in call("get", path).json()["results"]] == [2, 1]
    (change,) = call("get", f"snapshots/{first.json()['id']}/changes/").json()["changes"]
    assert (change["kind"], change["removed"]) == ("changed", [OLD.decode()])
    until = call("get", f"snapshots/{second['id']}/changes/?until={first.json()['id']}").json()["changes"]
    assert until[0]["added"] == [OLD.decode()]
    assert call("get", f"snapshots/{second['id']}/changes/?until=x").status_code == 400
    assert call("delete", f"snapshots/{second['id']}/").status_code == 204
    assert call("get", f"snapshots/{second['id']}/").status_code == 404


def test_an_assistant_version_pins_a_snapshot(tenant_a: TenantWithKey, base: Any) -> None:
    """F-63: the pin is part of the version, so publishing and going back carry it."""
    with tenant_tx(tenant_a.tenant.id):
        spring, summer = (take_snapshot(knowledge_base_id=base.id, name=name) for name in ("Spring", "Summer"))
        assistant = create_assistant(name="Guide", instructions="Help.", knowledge_base_ids=[base.id])
        publish(assistant_id=assistant.id)
        with pytest.raises(Invalid, match="settings"):
            update_draft(assistant_id=assistant.id, snapshot_ids=[spring.id, summer.id])
        update_draft(assistant_id=assistant.id, snapshot_ids=[spring.id])
        assert assistants.unpublished_changes(assistants.get_assistant(assistant.id)) == ("snapshot_ids",)
        version = publish(assistant_id=assistant.id)
        spec = assistants.version_spec(version, assistants.get_assistant(assistant.id))
    assert spec.snapshot_ids == (spring.id,)


async def test_answers_keep_to_the_pinned_snapshot(tenant_a: TenantWithKey, base: Any, add: Make, index: Make) -> None:
    from dataclasses import replace

    from apps.assistants.runtime.respond import _retrieve
    from parley.db import in_thread
    from parley.tenancy import use_tenant
    from tests.assistants.factories import make_spec

    def prepare() -> Any:
        with tenant_tx(tenant_a.tenant.id):
            taken = take_snapshot(knowledge_base_id=base.id)
        index(tenant_a, add(tenant_a, base, "prices.md", NEW))
        return taken

    snapshot = await in_thread(prepare)
    spec = make_spec(knowledge_base_ids=(base.id,))
    with use_tenant(tenant_a.tenant.id):
        live = await _retrieve(spec, "What does the Team plan cost?")
        pinned = await _retrieve(replace(spec, snapshot_ids=(snapshot.id,)), "What does the Team plan cost?")
    assert [source.text for source in live] == [NEW.decode()]
    assert [source.text for source in pinned] == [OLD.decode()]
