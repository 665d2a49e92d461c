"""Creating and renaming organisations."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from apps.tenants.enums import Role
from apps.tenants.models import Membership, Tenant, User
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid
from parley.tenancy import require_tenant_id, tenant_tx

_NAME_LENGTH = 120
_SLUG_LENGTH = 50

# What upper apps add to a new organisation (its local models, for one). The composition root registers it:
# this app knows none of them.
_setup_steps: list[Callable[[], None]] = []


def on_tenant_created(step: Callable[[], None]) -> None:
    """Register a step that runs inside the new organisation's first transaction. Registering twice is one."""
    if step not in _setup_steps:
        _setup_steps.append(step)


def create_tenant(*, name: str, owner: User, slug: str | None = None, is_demo: bool = False) -> Tenant:
    """Create an organisation with its first owner and everything a new one comes with, in one transaction.

    Raises `Invalid` for a name that cannot be used, `Conflict` when a wished-for slug is taken.
    """
    name = _clean_name(name)
    with transaction.atomic():
        tenant = _insert_with_free_slug(name, slug, is_demo)
        with tenant_tx(tenant.id):
            Membership.objects.create(user=owner, role=Role.OWNER)
            for step in _setup_steps:
                step()
            audit.record(action="tenant.created", target=tenant, after={"name": name, "slug": tenant.slug})
    return tenant


def update_tenant(*, name: str, time_zone: str) -> Tenant:
    """Change the ambient organisation's name and the time zone its budgets and charts use.

    Raises `Invalid` with the field's sentence.
    """
    name = _clean_name(name)
    if time_zone not in zoneinfo.available_timezones():
        raise Invalid("Choose a time zone from the list.", errors={"time_zone": ["Choose a time zone from the list."]})
    tenant = Tenant.objects.select_for_update().get(id=require_tenant_id())
    before = {"name": tenant.name, "time_zone": tenant.time_zone}
    after = {"name": name, "time_zone": time_zone}
    if before != after:
        tenant.name, tenant.time_zone = name, time_zone
        tenant.save(update_fields=["name", "time_zone"])
        audit.record(action="tenant.updated", target=tenant, before=before, after=after)
    return tenant


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise Invalid("Give the organisation a name.", errors={"name": ["Give the organisation a name."]})
    if len(name) > _NAME_LENGTH:
        sentence = f"Use at most {_NAME_LENGTH} characters for the name."
        raise Invalid(sentence, errors={"name": [sentence]})
    return name


def _insert_with_free_slug(name: str, wished: str | None, is_demo: bool) -> Tenant:
    if wished is not None:
        cleaned = slugify(wished)[:_SLUG_LENGTH]
        if not cleaned or cleaned != wished:
            sentence = "Use lower-case letters, digits and hyphens for the address name."
            raise Invalid(sentence, errors={"slug": [sentence]})
    stem = wished or slugify(name)[: _SLUG_LENGTH - 4] or "organisation"
    for number in range(1, 1000):
        slug = stem if number == 1 else f"{stem}-{number}"
        try:
            with transaction.atomic():
                return Tenant.objects.create(name=name, slug=slug, is_demo=is_demo)
        except IntegrityError:
            if wished is not None:
                sentence = f"The address name {wished!r} is taken. Choose another."
                raise Conflict(sentence, errors={"slug": [sentence]}) from None
    raise Conflict(f"No free address name was found for {name!r}. Give one yourself.")
