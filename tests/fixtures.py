"""Fixtures that any test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.factories.tenants import make_tenant, make_user


@dataclass(frozen=True, slots=True)
class TenantWithKey:
    """An organisation, its owner and a key with every scope."""

    tenant: Any
    owner: Any
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _tenant_with_key(name: str) -> TenantWithKey:
    from apps.tenants.policies import ALL_PERMISSIONS
    from apps.tenants.services.api_keys import create_api_key
    from parley.tenancy import tenant_tx

    owner = make_user(f"owner@{name.lower()}.example")
    tenant = make_tenant(name, owner=owner)
    with tenant_tx(tenant.id):
        key = create_api_key(name="tests", scopes=ALL_PERMISSIONS, created_by=owner)
    return TenantWithKey(tenant, owner, key.token)


@pytest.fixture
def tenant_a(db: None) -> TenantWithKey:
    """The tenant that acts."""
    return _tenant_with_key("Acme")


@pytest.fixture
def tenant_b(db: None) -> TenantWithKey:
    """The tenant whose data must stay out of reach."""
    return _tenant_with_key("Birch")


@pytest.fixture
def two_tenants(tenant_a: TenantWithKey, tenant_b: TenantWithKey) -> tuple[TenantWithKey, TenantWithKey]:
    """Two organisations with data of their own."""
    return tenant_a, tenant_b


@pytest.fixture
def in_tenant_a(tenant_a: TenantWithKey) -> Iterator[TenantWithKey]:
    """A test body that runs inside tenant A's transaction."""
    from parley.tenancy import tenant_tx

    with tenant_tx(tenant_a.tenant.id):
        yield tenant_a
