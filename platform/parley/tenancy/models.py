"""The base of every table that belongs to a tenant.

The metaclass adds what nobody may forget: the row-level security policy, the (tenant, id) key that others
refer to, and a composite foreign key for each reference to another tenant table.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.base import ModelBase

from parley.db.ids import uuid7
from parley.tenancy.constraints import PlatformAccess, TenantKey, TenantPolicy, TenantReference
from parley.tenancy.context import require_tenant_id
from parley.tenancy.managers import AcrossTenantsManager, TenantManager


class TenantForeignKey(models.ForeignKey[Any, Any]):
    """A reference between two tenant tables. Its database constraint is the composite one."""

    def __init__(self, to: Any, on_delete: Any, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(to, on_delete, **kwargs)


class TenantModelBase(ModelBase):
    """Adds tenancy constraints to `Meta.constraints` before Django reads them."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attrs: dict[str, Any], **kwargs: Any) -> type:
        meta = attrs.get("Meta")
        is_concrete = not getattr(meta, "abstract", False) and not getattr(meta, "proxy", False)
        if is_concrete and any(isinstance(base, TenantModelBase) for base in bases):
            attrs["Meta"] = _meta_with_constraints(name, bases, attrs, meta)
            if _inherited(bases, attrs, "platform_access", "none") != "none":
                # Django's default manager is the class's own first one: it must stay the fail-closed one.
                attrs.setdefault("objects", TenantManager())
                attrs["across_tenants"] = AcrossTenantsManager()
        return super().__new__(mcs, name, bases, attrs, **kwargs)


def _meta_with_constraints(name: str, bases: tuple[type, ...], attrs: dict[str, Any], meta: Any) -> type:
    app_label = getattr(meta, "app_label", None) or _app_label(attrs["__module__"])
    stem = f"{app_label}_{name.lower()}"
    constraints = list(getattr(meta, "constraints", []))
    constraints.append(TenantKey(name=f"{stem}_tenant_id_key"))
    constraints.append(
        TenantPolicy(name=f"{stem}_tenant", platform_access=_inherited(bases, attrs, "platform_access", "none"))
    )
    for attr, field in attrs.items():
        if isinstance(field, TenantForeignKey):
            constraints.append(
                TenantReference(
                    name=f"{stem}_{attr}_tenant_fk"[:63],
                    column=f"{attr}_id",
                    to_table=_target_table(field, app_label, stem),
                )
            )
    parents = (meta,) if meta is not None else ()
    return type("Meta", parents, {"constraints": constraints, "__module__": attrs["__module__"]})


def _target_table(field: TenantForeignKey, app_label: str, own_table: str) -> str:
    target: Any = field.remote_field.model
    if not isinstance(target, str):
        table: str = target._meta.db_table
        return table
    if target == "self":
        return own_table
    label = target if "." in target else f"{app_label}.{target}"
    # Tenant tables keep Django's default names (`app_model`); a guard test holds models to it.
    return label.replace(".", "_").lower()


def _inherited(bases: tuple[type, ...], attrs: dict[str, Any], attribute: str, default: Any) -> Any:
    if attribute in attrs:
        return attrs[attribute]
    return next((getattr(base, attribute) for base in bases if hasattr(base, attribute)), default)


def _app_label(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "apps" else parts[-2]


class TenantOwned(models.Model, metaclass=TenantModelBase):
    """A row that belongs to one tenant.

    Subclasses may set `platform_access` (what the cross-tenant role may do) and `append_only` (the
    application role may insert and read, never change).
    """

    platform_access: ClassVar[PlatformAccess] = "none"
    append_only: ClassVar[bool] = False

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.CASCADE,
        related_name="+",
        default=require_tenant_id,
        editable=False,
    )
    created_at = models.DateTimeField(auto_now_add=True, editable=False)

    objects = TenantManager[Any]()

    class Meta:
        abstract = True
