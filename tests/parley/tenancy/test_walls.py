"""Every tenant model, present and future, against the walls of the database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.db import connections, transaction

from parley.tenancy import NoTenantContext
from parley.tenancy.catalog import rls_findings
from parley.tenancy.classification import unclassified_models
from parley.tenancy.models import TenantOwned
from parley.tenancy.strict import tenant_models
from tests.parley.tenancy.rows import row_lab
from tests.services import TestServices

MODELS = [pytest.param(model, id=model._meta.label) for model in tenant_models()]
pytestmark = pytest.mark.django_db(databases=["default", "platform", "migrator"])


@pytest.fixture
def owner_rolls_back() -> Iterator[None]:
    """What the owner role does (rows of others, dropped checks) is undone, like everything else."""
    with transaction.atomic(using="migrator"):
        yield
        transaction.set_rollback(True, using="migrator")


def test_every_model_has_a_tenancy_class() -> None:
    """T-04."""
    assert unclassified_models() == []


def test_the_catalogue_has_no_findings() -> None:
    """T-02, T-08, T-12: policies, composite references and unique keys, leaky objects."""
    assert rls_findings() == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("DROP POLICY tenants_apikey_tenant ON tenants_apikey", "no policy for app_rw"),
        ("ALTER TABLE tenants_apikey NO FORCE ROW LEVEL SECURITY", "not forced"),
        ("ALTER TABLE tenants_apikey DISABLE ROW LEVEL SECURITY", "not enabled"),
        ("CREATE POLICY wide ON tenants_apikey TO app_rw USING (true)", "does not name the tenant"),
        ("CREATE TABLE stray (id int)", "stray has no tenant_id"),
        ("CREATE UNIQUE INDEX loose ON tenants_apikey (name)", "unique index loose"),
        (
            "ALTER TABLE tenants_apikey ADD CONSTRAINT loose FOREIGN KEY (id) REFERENCES tenants_membership (id)",
            "reference loose",
        ),
        (
            "CREATE FUNCTION peek() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "SECURITY DEFINER",
        ),
        ("CREATE VIEW peek AS SELECT id FROM tenants_apikey", "security_invoker"),
        ("CREATE MATERIALIZED VIEW peek AS SELECT 1 AS one", "materialised view"),
    ],
)
def test_each_hole_is_found(damage: str, finding: str, owner_rolls_back: None) -> None:
    """T-02, T-08, T-12: the check bites."""
    with connections["migrator"].cursor() as cursor:
        cursor.execute(damage)
    assert any(finding in sentence for sentence in rls_findings("migrator"))


@pytest.mark.parametrize("model", MODELS)
def test_no_tenant_sees_and_writes_nothing(model: type[TenantOwned], test_services: TestServices) -> None:
    """T-05: without a tenant the database itself shows no row and takes none."""
    with row_lab(test_services.admin_url) as lab:
        lab.insert(model, uuid.uuid4())
        insert = lab.insert_statement(model, uuid.uuid4(), uuid.uuid4())
        lab.act_as(None)
        assert lab.connection.execute(f'SELECT count(*) FROM "{model._meta.db_table}"').fetchone() == (0,)
        assert "row-level security" in lab.refused(insert)
    with pytest.raises(NoTenantContext):
        model._default_manager.count()


@pytest.mark.parametrize("model", MODELS)
def test_another_tenants_row_is_out_of_reach(model: type[TenantOwned], test_services: TestServices) -> None:
    """T-06: SELECT, UPDATE, DELETE and INSERT, while the row exists."""
    mine, theirs = uuid.uuid4(), uuid.uuid4()
    table = f'"{model._meta.db_table}"'
    with row_lab(test_services.admin_url) as lab:
        own_row, their_row = lab.insert(model, mine), lab.insert(model, theirs)
        insert = lab.insert_statement(model, theirs, uuid.uuid4())
        lab.act_as(mine)
        assert lab.connection.execute(f"SELECT id FROM {table}").fetchall() == [(own_row,)]
        assert "row-level security" in lab.refused(insert)
        if model.append_only:
            assert "permission denied" in lab.refused(f"UPDATE {table} SET tenant_id = tenant_id")
            assert "permission denied" in lab.refused(f"DELETE FROM {table}")
            return
        update = lab.connection.execute(f"UPDATE {table} SET tenant_id = tenant_id WHERE id = %s", [their_row])
        assert update.rowcount == 0
        assert "row-level security" in lab.refused(f"UPDATE {table} SET tenant_id = '{theirs}' WHERE id = '{own_row}'")
        assert lab.connection.execute(f"DELETE FROM {table} WHERE id = %s", [their_row]).rowcount == 0


@pytest.mark.parametrize("model", MODELS)
def test_the_cross_tenant_role_reaches_only_what_is_declared(model: type[TenantOwned]) -> None:
    """Sweepers see the tables that say so, and write only where that is said too."""
    table = model._meta.db_table
    with connections["platform"].cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege('app_platform', t, 'SELECT'), has_table_privilege('app_platform', t, 'UPDATE') "
            "FROM (VALUES (%s)) AS named (t)",
            [f'"{table}"'],
        )
        assert cursor.fetchone() == (model.platform_access != "none", model.platform_access == "write")
