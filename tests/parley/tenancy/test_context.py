"""The ambient tenant and the transaction that binds it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection, transaction

from apps.tenants.models import ApiKey
from parley.tenancy import (
    NoTenantContext,
    TenantMismatch,
    current_tenant_id,
    require_tenant_id,
    tenant_key,
    tenant_tx,
    use_tenant,
)
from tests.fixtures import TenantWithKey

Two = tuple[TenantWithKey, TenantWithKey]


def test_without_a_tenant_nothing_is_assumed() -> None:
    assert current_tenant_id() is None
    with pytest.raises(NoTenantContext):
        require_tenant_id()
    with pytest.raises(NoTenantContext):
        tenant_key("cache", "x")


def test_keys_carry_the_tenant() -> None:
    """T-15."""
    tenant_id = uuid.uuid4()
    with use_tenant(tenant_id):
        assert tenant_key("generation", 7) == f"t:{tenant_id}:generation:7"


def test_one_tenant_cannot_be_entered_inside_another() -> None:
    with use_tenant(uuid.uuid4()), pytest.raises(TenantMismatch), use_tenant(uuid.uuid4()):
        pass


def test_the_database_forgets_the_tenant_with_the_transaction(two_tenants: Two) -> None:
    with tenant_tx(two_tenants[0].tenant.id):
        assert _setting() == str(two_tenants[0].tenant.id)
    assert _setting() == ""


def test_an_inner_block_keeps_the_outer_binding(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        with tenant_tx():
            pass
        assert _setting() == str(tenant_a.tenant.id)
        assert ApiKey.objects.count() == 1


def test_a_failed_inner_block_keeps_the_outer_binding(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        with pytest.raises(ZeroDivisionError), tenant_tx():
            raise ZeroDivisionError
        assert ApiKey.objects.count() == 1


def test_a_statement_without_a_tenant_raises(tenant_a: TenantWithKey) -> None:
    """T-05: strict mode names the table instead of returning nothing."""
    with pytest.raises(NoTenantContext, match="tenants_apikey"), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tenants_apikey")
    with pytest.raises(NoTenantContext):
        ApiKey.objects.count()


def test_an_ambient_tenant_is_not_enough(tenant_a: TenantWithKey) -> None:
    """T-05: the connection must be bound, or a copied context would read through an unbound thread."""
    with use_tenant(tenant_a.tenant.id), pytest.raises(NoTenantContext):
        ApiKey.objects.count()


@pytest.mark.django_db(transaction=True)
def test_a_committed_binding_leaves_nothing_behind(two_tenants: Two) -> None:
    a, b = two_tenants
    for tenant in (a, b, a):
        with tenant_tx(tenant.tenant.id):
            assert list(ApiKey.objects.values_list("tenant_id", flat=True)) == [tenant.tenant.id]
    with transaction.atomic():
        assert _setting() == ""


def _setting() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('app.tenant_id', true), '')")
        return cursor.fetchone()[0]
