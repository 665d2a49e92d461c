"""What the connected database role may do, and the refusal to serve with one that sees through the walls."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS, connections


class UnsafeDatabaseRole(RuntimeError):
    """The database role could read other tenants' rows; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """`pg_roles` facts of the connected role."""

    name: str
    is_superuser: bool
    bypasses_rls: bool
    owned_tables: int

    @property
    def complaint(self) -> str | None:
        """A sentence when the role must not serve requests, else None."""
        powers = []
        if self.is_superuser:
            powers.append("is a superuser")
        if self.bypasses_rls:
            powers.append("bypasses row-level security")
        if self.owned_tables:
            powers.append(f"owns {self.owned_tables} tables")
        if not powers:
            return None
        return (
            f"The database role {self.name!r} {' and '.join(powers)}, so tenants would not be kept apart. "
            "Point DATABASE_URL at the role app_rw (manage.py bootstrap_database creates it)."
        )


def role_facts(using: str = DEFAULT_DB_ALIAS) -> RoleFacts:
    """Ask PostgreSQL who we are."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper, rolbypassrls, "
            "(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            " WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p') AND n.nspname = 'public') "
            "FROM pg_roles r WHERE rolname = current_user"
        )
        name, is_superuser, bypasses_rls, owned_tables = cursor.fetchone()
    return RoleFacts(name, is_superuser, bypasses_rls, owned_tables)


def require_restricted_role(using: str = DEFAULT_DB_ALIAS) -> None:
    """Refuse to go on as a role for which row-level security means nothing. Raises `UnsafeDatabaseRole`."""
    complaint = role_facts(using).complaint
    if complaint is not None:
        raise UnsafeDatabaseRole(complaint)
