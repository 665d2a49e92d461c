"""Backup, restore and erasure, by an operator at a terminal."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from apps.knowledge.services.knowledge_bases import create_knowledge_base
from apps.tenants import selectors
from apps.tenants.models import ApiKey
from parley.tenancy import tenant_tx
from parley.tenancy.catalog import rls_findings
from tests.fixtures import TenantWithKey
from tests.services import TestServices

pytestmark = pytest.mark.django_db(transaction=True)
Two = tuple[TenantWithKey, TenantWithKey]


def _occurrences(services: TestServices, needle: str) -> int:
    url = psycopg.conninfo.make_conninfo(services.admin_url, dbname=connection.settings_dict["NAME"])
    with psycopg.connect(url) as admin:
        tables = admin.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [str(admin.execute(f"SELECT t::text FROM {table} t").fetchall()) for (table,) in tables]
    return sum(text.count(needle) for text in rows)


def test_erasing_leaves_no_row_and_nobody_elses_touched(two_tenants: Two, test_services: TestServices) -> None:
    """D-03 for the database: a canary in the tenant's data is gone afterwards."""
    a, b = two_tenants
    canary = f"canary-{uuid.uuid4().hex}"
    with tenant_tx(a.tenant.id):
        create_knowledge_base(name=canary)
    assert _occurrences(test_services, canary) > 0
    call_command("erase_tenant", a.tenant.slug, yes=True)
    assert _occurrences(test_services, canary) == 0
    assert _occurrences(test_services, str(a.tenant.id)) == 0
    assert selectors.find_tenant(slug=a.tenant.slug) is None
    with tenant_tx(b.tenant.id):
        assert ApiKey.objects.count() == 1


def test_an_erasure_must_name_what_exists(tenant_a: TenantWithKey, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="no organisation"):
        call_command("erase_tenant", "nobody", yes=True)
    monkeypatch.setattr("builtins.input", lambda _: "something else")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("erase_tenant", tenant_a.tenant.slug)
    assert selectors.find_tenant(slug=tenant_a.tenant.slug) is not None


def test_a_backup_brings_back_what_was_lost(two_tenants: Two, tmp_path: Path) -> None:
    """D-07 in small: same rows, same walls, same grants after a restore."""
    a, b = two_tenants
    backup = tmp_path / "parley.dump"
    call_command("backup", backup)
    assert backup.stat().st_mode & 0o077 == 0
    call_command("erase_tenant", a.tenant.slug, yes=True)
    connections.close_all()
    call_command("restore", backup, yes=True)
    connections.close_all()
    for tenant in (a, b):
        with tenant_tx(tenant.tenant.id):
            assert ApiKey.objects.count() == 1
    assert rls_findings() == []


@pytest.mark.parametrize(
    ("command", "arguments"), [("backup", ["/nowhere/at/all.dump"]), ("restore", ["/nowhere.dump"])]
)
def test_bad_paths_are_explained(command: str, arguments: list[str]) -> None:
    options: dict[str, Any] = {"yes": True} if command == "restore" else {}
    with pytest.raises(CommandError, match=r"/nowhere"):
        call_command(command, *arguments, **options)
