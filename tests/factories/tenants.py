"""Organisations and people for tests, made by the product's own services."""

from __future__ import annotations

from typing import Any

PASSWORD = "correct horse battery"


def make_user(email: str, **fields: Any) -> Any:
    """A person who can sign in with `PASSWORD`."""
    from apps.tenants.models import User

    return User.objects.create_user(email=email, password=PASSWORD, **fields)


def make_tenant(name: str, *, owner: Any | None = None) -> Any:
    """An organisation with an owner."""
    from apps.tenants.services.tenants import create_tenant

    return create_tenant(name=name, owner=owner or make_user(f"owner@{name.lower().replace(' ', '-')}.example"))


def add_member(tenant: Any, email: str, role: str) -> Any:
    """A person with a role in the organisation."""
    from apps.tenants.models import Membership
    from parley.tenancy import tenant_tx

    user = make_user(email)
    with tenant_tx(tenant.id):
        Membership.objects.create(user=user, role=role)
    return user
