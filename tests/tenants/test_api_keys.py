"""API keys: issued once, stored as a hash, no wider than their maker."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from apps.tenants import policies
from apps.tenants.enums import Role
from apps.tenants.models import ApiKey, AuditEvent
from apps.tenants.services import access, api_keys
from parley.errors import Forbidden, Invalid, NotFound
from parley.tenancy import tenant_tx
from parley.web.actors import Actor, acting_as
from tests.fixtures import TenantWithKey
from tests.services import TestServices

pytestmark = pytest.mark.django_db


def editor_of(tenant: TenantWithKey) -> Actor:
    actor = access.find_actor_by_token(tenant.token)
    assert actor is not None
    return Actor(
        "user",
        tenant.owner.id,
        "editor",
        actor.tenant,
        policies.PERMISSIONS_BY_ROLE[Role.EDITOR],
        role=Role.EDITOR,
    )


def test_a_key_acts_for_its_own_organisation_with_its_scopes(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        key = api_keys.create_api_key(name="site", scopes=["knowledge.view"])
    actor = access.find_actor_by_token(key.token)
    assert actor is not None
    assert (actor.tenant.id, actor.permissions, actor.kind) == (
        tenant_a.tenant.id,
        {"knowledge.view"},
        "api_key",
    )


@pytest.mark.parametrize("damage", ["cut", "flip", "prefix", "empty", "swap-tenant", "unicode"])
def test_a_damaged_key_is_nobody(damage: str, tenant_a: TenantWithKey, tenant_b: TenantWithKey) -> None:
    token = tenant_a.token
    damaged = {
        "cut": token[:-4],
        "flip": token[:-1] + ("A" if token[-1] != "A" else "B"),
        "prefix": "sk_" + token[3:],
        "empty": "",
        "swap-tenant": tenant_b.token[:24] + token[24:],
        "unicode": token[:-1] + "ü",
    }[damage]
    assert access.find_actor_by_token(damaged) is None


def test_revoked_and_expired_keys_are_nobody(tenant_a: TenantWithKey) -> None:
    """A-03, A-04: from the next request on."""
    with tenant_tx(tenant_a.tenant.id):
        revoked = api_keys.create_api_key(name="old", scopes=["knowledge.view"])
        expired = api_keys.create_api_key(
            name="temp", scopes=["knowledge.view"], expires_at=timezone.now() - timedelta(seconds=1)
        )
        api_keys.revoke_api_key(key_id=revoked.id)
    assert access.find_actor_by_token(revoked.token) is None
    assert access.find_actor_by_token(expired.token) is None


def test_two_keys_overlap_for_rotation(tenant_a: TenantWithKey) -> None:
    """A-03."""
    with tenant_tx(tenant_a.tenant.id):
        tokens = [api_keys.create_api_key(name="site", scopes=["knowledge.view"]).token for _ in range(2)]
    assert len(set(tokens)) == 2
    assert all(access.find_actor_by_token(token) for token in tokens)


def test_a_key_has_no_more_than_its_maker(tenant_a: TenantWithKey) -> None:
    """A-03."""
    with tenant_tx(tenant_a.tenant.id), acting_as(editor_of(tenant_a)):
        api_keys.create_api_key(name="fine", scopes=["knowledge.edit"])
        with pytest.raises(Forbidden, match=r"budgets\.manage"):
            api_keys.create_api_key(name="greedy", scopes=["knowledge.edit", "budgets.manage"])


@pytest.mark.parametrize(("scopes", "said"), [(["knowledge.sell"], "knowledge.sell"), ([], "at least one")])
def test_scopes_must_exist(scopes: list[str], said: str, in_tenant_a: TenantWithKey) -> None:
    with pytest.raises(Invalid, match=said):
        api_keys.create_api_key(name="x", scopes=scopes)


def test_another_organisations_key_cannot_be_revoked(tenant_a: TenantWithKey, tenant_b: TenantWithKey) -> None:
    with tenant_tx(tenant_b.tenant.id):
        theirs = ApiKey.objects.get()
    with tenant_tx(tenant_a.tenant.id), pytest.raises(NotFound):
        api_keys.revoke_api_key(key_id=theirs.id)
    assert access.find_actor_by_token(tenant_b.token) is not None


@pytest.mark.django_db(transaction=True)
def test_a_dump_of_the_database_holds_no_usable_key(tenant_a: TenantWithKey, test_services: TestServices) -> None:
    """A-03: neither the token nor its secret part is anywhere in any row."""
    secret = tenant_a.token[-40:]
    url = psycopg.conninfo.make_conninfo(test_services.admin_url, dbname=connection.settings_dict["NAME"])
    with psycopg.connect(url) as admin:
        dumped = ""
        tables = admin.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            dumped += str(admin.execute(f"SELECT t::text FROM {table} t").fetchall())
    assert str(tenant_a.tenant.id) in dumped
    assert secret not in dumped
    assert tenant_a.token not in dumped


def test_making_and_revoking_is_audited(in_tenant_a: TenantWithKey) -> None:
    key = api_keys.create_api_key(name="site", scopes=["knowledge.view"])
    api_keys.revoke_api_key(key_id=key.id)
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True))[-2:] == [
        "api_key.created",
        "api_key.revoked",
    ]


def test_the_operators_door_prints_a_key_that_works(
    tenant_a: TenantWithKey, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    call_command("create_api_key", tenant=tenant_a.tenant.slug, scopes=["knowledge.view,usage.view"], as_json=True)
    printed = json.loads(capsys.readouterr().out)
    actor = access.find_actor_by_token(printed["api_key"])
    assert actor is not None
    assert actor.permissions == {"knowledge.view", "usage.view"}
