"""What each database role may do with each table; applied after every migration."""

from __future__ import annotations

from django.apps import apps
from django.db import connections

from parley.tenancy.classification import classify
from parley.tenancy.constraints import ROLE_APP, ROLE_PLATFORM
from parley.tenancy.models import TenantOwned

ROLE_BACKUP = "app_backup"


def grant_statements(tables: list[str]) -> list[str]:
    """The GRANT and REVOKE statements that bring the given tables to their declared privileges."""
    quoted = {table: '"' + table.replace('"', '""') + '"' for table in tables}
    everything = ", ".join(quoted.values())
    statements = [
        f"REVOKE ALL ON {everything} FROM {ROLE_APP}, {ROLE_PLATFORM}, {ROLE_BACKUP}",
        f"GRANT SELECT ON {everything} TO {ROLE_BACKUP}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {ROLE_APP}",
    ]
    models = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    for table, name in quoted.items():
        model = models.get(table)
        if model is None:
            statements.append(f"GRANT SELECT ON {name} TO {ROLE_APP}")
            continue
        is_append_only = issubclass(model, TenantOwned) and model.append_only
        verbs = "SELECT, INSERT" if is_append_only else "SELECT, INSERT, UPDATE, DELETE"
        statements.append(f"GRANT {verbs} ON {name} TO {ROLE_APP}")
        if classify(model) == "platform":
            statements.append(f"GRANT SELECT ON {name} TO {ROLE_PLATFORM}")
        if issubclass(model, TenantOwned) and model.platform_access != "none":
            verbs = "SELECT" if model.platform_access == "read" else "SELECT, INSERT, UPDATE, DELETE"
            statements.append(f"GRANT {verbs} ON {name} TO {ROLE_PLATFORM}")
    return statements


def apply_grants(using: str) -> None:
    """Bring the privileges of all existing tables up to date. `using` must be the owner's connection."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        tables = sorted(name for (name,) in cursor.fetchall())
        if tables:
            cursor.execute(";\n".join(grant_statements(tables)))
