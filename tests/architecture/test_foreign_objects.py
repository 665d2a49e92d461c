"""T-07: every address with an object's id, asked by the owner of another organisation, while the object exists."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from tests.architecture.routes import Route, all_routes
from tests.fixtures import TenantWithKey
from tests.parley.tenancy.rows import RowLab
from tests.services import TestServices

# Which table a parameter of an address points at. A new parameter must be added here to be covered.
TARGETS = {
    "api_key_id": "tenants.ApiKey",
    "assistant_id": "assistants.Assistant",
    "base_id": "knowledge.KnowledgeBase",
    "block_id": "assistants.PromptBlock",
    "budget_id": "gateway.Budget",
    "case_id": "evaluations.Case",
    "chunk_id": "knowledge.Chunk",
    "citation_id": "conversations.Citation",
    "conversation_id": "conversations.Conversation",
    "dataset_id": "evaluations.Dataset",
    "document_id": "knowledge.Document",
    "entry_id": "knowledge.Entry",
    "evaluator_id": "evaluations.Evaluator",
    "event_id": "tenants.AuditEvent",
    "example_id": "assistants.FewShotExample",
    "experiment_id": "evaluations.Experiment",
    "generation_id": "conversations.Generation",
    "invitation_id": "tenants.Invitation",
    "job_id": "jobs.Job",
    "key_id": "tenants.ApiKey",
    "knowledge_base_id": "knowledge.KnowledgeBase",
    "search_index_id": "knowledge.SearchIndex",
    "snapshot_id": "knowledge.Snapshot",
    "membership_id": "tenants.Membership",
    "limit_id": "gateway.SpendingLimit",
    "message_id": "conversations.Message",
    "model_id": "gateway.Model",
    "move_id": "assistants.ScheduledMove",
    "planned_case_id": "evaluations.PlannedCase",
    "provider_id": "gateway.Provider",
    "provider_key_id": "gateway.ProviderKey",
    "ref": "assistants.Assistant",
    "route_id": "gateway.Route",
    "source_id": "knowledge.Source",
    "version_id": "assistants.AssistantVersion",
}
# Parameters that name no row of their own.
PLAIN = {"tenant_slug", "number", "kind", "slug", "label", "rule_id", "scope"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes_with_objects() -> list[Route]:
    """Guarded routes that name at least one row."""
    return [
        route
        for route in all_routes()
        if route.access and route.access.permissions and {name for _, name in route.parameters} - PLAIN
    ]


def test_every_parameter_is_known() -> None:
    """T-07: a new kind of object cannot be forgotten."""
    unknown = {name for route in routes_with_objects() for _, name in route.parameters} - PLAIN - set(TARGETS)
    assert unknown == set()


@pytest.mark.django_db(transaction=True)
def test_another_organisations_objects_do_not_exist(
    two_tenants: tuple[TenantWithKey, TenantWithKey], test_services: TestServices
) -> None:
    """T-07: 404 on every route and method, page and API, and not a byte of the rows changes."""
    a, b = two_tenants
    url = psycopg.conninfo.make_conninfo(test_services.admin_url, dbname=connection.settings_dict["NAME"])
    with psycopg.connect(url) as admin:
        ids = _committed_rows(admin, a)
        before = _dump(admin, ids)
        wrong = _ask_as_stranger(b, ids)
        admin.rollback()
        assert not wrong, "\n".join(map(str, wrong))
        assert _dump(admin, ids) == before


def _committed_rows(admin: psycopg.Connection[Any], owner: TenantWithKey) -> dict[str, Any]:
    lab = RowLab(admin)
    ids: dict[str, Any] = {}
    for label in sorted(set(TARGETS.values())):
        model: Any = apps.get_model(label)
        ids[label] = _insert(lab, admin, model, owner)
    admin.commit()
    return ids


def _insert(lab: RowLab, admin: psycopg.Connection[Any], model: Any, owner: TenantWithKey) -> Any:
    # Schema changes of the lab (dropped checks) must not be committed: references off is enough here.
    admin.execute("SET LOCAL session_replication_role = replica")
    found = admin.execute(
        f'SELECT id FROM "{model._meta.db_table}" WHERE tenant_id = %s LIMIT 1', [owner.tenant.id]
    ).fetchone()
    if found is not None:
        return found[0]
    import uuid

    row_id = uuid.uuid4()
    admin.execute(lab.insert_statement(model, owner.tenant.id, row_id))
    return row_id


def _dump(admin: psycopg.Connection[Any], ids: dict[str, Any]) -> dict[str, Any]:
    dumped = {}
    for label, row_id in ids.items():
        table = apps.get_model(label)._meta.db_table
        dumped[label] = admin.execute(f'SELECT t::text FROM "{table}" t WHERE id = %s', [row_id]).fetchone()
        assert dumped[label] is not None, label
    return dumped


def _ask_as_stranger(stranger: TenantWithKey, ids: dict[str, Any]) -> list[tuple[str, str, int]]:
    person, program = Client(raise_request_exception=False), Client(raise_request_exception=False)
    person.force_login(stranger.owner)
    wrong = []
    for route in routes_with_objects():
        values: dict[str, Any] = {name: ids[TARGETS[name]] for _, name in route.parameters if name in TARGETS}
        values |= {
            "tenant_slug": stranger.tenant.slug,
            "number": 1,
            "kind": "contains",
            "slug": "theirs",
            "label": "beta",
            "rule_id": "0" * 32,
        }
        for method in METHODS:
            if route.access is None or route.access.permission_for(method) is None:
                continue
            if route.pattern.startswith("t/"):
                if method not in ("GET", "POST"):
                    continue
                response = person.generic(method, route.path(**values))
                is_right = response.status_code in (404, 405)
            else:
                headers = stranger.headers
                response = program.generic(
                    method, route.path(**values), data=b"{}", content_type="application/json", headers=headers
                )
                is_right = response.status_code == 404
            if not is_right:
                wrong.append((method, route.pattern, response.status_code))
    return wrong
