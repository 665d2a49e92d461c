"""Row-level security and composite foreign keys as model constraints.

As constraints they are part of the schema that `makemigrations` compares, so a tenant table cannot be
migrated without its wall. One generator writes every policy (safety.md §1, recommended design 3 and 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from django.db import DEFAULT_DB_ALIAS, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement, Table
from django.db.models.constraints import BaseConstraint

PlatformAccess = Literal["none", "read", "write"]

ROLE_APP = "app_rw"
ROLE_PLATFORM = "app_platform"

# The bare comparison (no CASE, OR or sub-select): the planner folds it to a literal and can estimate with
# it. NULLIF because an unset setting reads as '' after a commit, and ''::uuid raises.
TENANT_PREDICATE = "tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid"


class _SqlConstraint(BaseConstraint):
    """A constraint that the database alone checks; `validate` has nothing to add in Python."""

    def create_statements(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        raise NotImplementedError

    def remove_statements(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        raise NotImplementedError

    def constraint_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        # Called while CREATE TABLE is composed: the table exists only afterwards, so defer.
        assert model is not None
        assert schema_editor is not None
        for sql in self.create_statements(model, schema_editor):
            schema_editor.deferred_sql.append(Statement(_escape(sql), table=_table(model, schema_editor)))
        return ""

    def create_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        assert model is not None
        assert schema_editor is not None
        sql = ";\n".join(self.create_statements(model, schema_editor))
        return Statement(_escape(sql), table=_table(model, schema_editor))

    def remove_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        assert model is not None
        assert schema_editor is not None
        sql = ";\n".join(self.remove_statements(model, schema_editor))
        return Statement(_escape(sql), table=_table(model, schema_editor))

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: str = DEFAULT_DB_ALIAS) -> None:
        """Nothing to validate in Python: PostgreSQL enforces it."""


class TenantPolicy(_SqlConstraint):
    """Row-level security for a tenant table: ENABLE, FORCE, and one policy per role.

    `platform_access` says whether the cross-tenant role of sweepers may read or write the table.
    """

    def __init__(self, *, name: str, platform_access: PlatformAccess = "none") -> None:
        super().__init__(name=name)
        self.platform_access: PlatformAccess = platform_access

    def create_statements(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        table = schema_editor.quote_name(model._meta.db_table)
        policy = schema_editor.quote_name(self.name)
        statements = [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            (
                f"CREATE POLICY {policy} ON {table} AS PERMISSIVE FOR ALL TO {ROLE_APP} "
                f"USING ({TENANT_PREDICATE}) WITH CHECK ({TENANT_PREDICATE})"
            ),
        ]
        if self.platform_access != "none":
            platform_policy = schema_editor.quote_name(f"{self.name}_platform")
            verb = "SELECT" if self.platform_access == "read" else "ALL"
            check = "" if verb == "SELECT" else " WITH CHECK (true)"
            statements.append(
                f"CREATE POLICY {platform_policy} ON {table} AS PERMISSIVE FOR {verb} TO {ROLE_PLATFORM} "
                f"USING (true){check}"
            )
        return statements

    def remove_statements(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        table = schema_editor.quote_name(model._meta.db_table)
        return [
            f"DROP POLICY IF EXISTS {schema_editor.quote_name(self.name)} ON {table}",
            f"DROP POLICY IF EXISTS {schema_editor.quote_name(self.name + '_platform')} ON {table}",
            f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        ]

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "platform_access": self.platform_access}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TenantPolicy):
            return NotImplemented
        return (self.name, self.platform_access) == (other.name, other.platform_access)

    __hash__ = BaseConstraint.__hash__


def _tenant_key_statement(table: str, schema_editor: BaseDatabaseSchemaEditor) -> str:
    quote = schema_editor.quote_name
    # IF NOT EXISTS: a migration may add a reference to a table before that table's own key.
    return f"CREATE UNIQUE INDEX IF NOT EXISTS {quote(table + '_tenant_id_key')} ON {quote(table)} (tenant_id, id)"


class TenantKey(_SqlConstraint):
    """The unique `(tenant_id, id)` that references from other tenant tables point at."""

    def create_statements(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        return [_tenant_key_statement(model._meta.db_table, schema_editor)]

    def remove_statements(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        return [f"DROP INDEX IF EXISTS {schema_editor.quote_name(model._meta.db_table + '_tenant_id_key')}"]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TenantKey):
            return NotImplemented
        return self.name == other.name

    __hash__ = BaseConstraint.__hash__


class TenantReference(_SqlConstraint):
    """`(tenant_id, <column>) → (tenant_id, id)`: a row can only point at its own tenant's rows.

    Foreign-key checks bypass row-level security, hence the tenant in the key. Deferred, as Django's are.
    """

    def __init__(self, *, name: str, column: str, to_table: str) -> None:
        super().__init__(name=name)
        self.column = column
        self.to_table = to_table

    def create_statements(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        quote = schema_editor.quote_name
        return [
            _tenant_key_statement(self.to_table, schema_editor),
            (
                f"ALTER TABLE {quote(model._meta.db_table)} ADD CONSTRAINT {quote(self.name)} "
                f"FOREIGN KEY (tenant_id, {quote(self.column)}) REFERENCES {quote(self.to_table)} (tenant_id, id) "
                "DEFERRABLE INITIALLY DEFERRED"
            ),
        ]

    def remove_statements(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        quote = schema_editor.quote_name
        return [f"ALTER TABLE {quote(model._meta.db_table)} DROP CONSTRAINT IF EXISTS {quote(self.name)}"]

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "column": self.column, "to_table": self.to_table}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TenantReference):
            return NotImplemented
        mine = (self.name, self.column, self.to_table)
        return mine == (other.name, other.column, other.to_table)

    __hash__ = BaseConstraint.__hash__


def _table(model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> Table:
    return Table(model._meta.db_table, schema_editor.quote_name)


def _escape(sql: str) -> str:
    # Statement fills its template with `%`.
    return sql.replace("%", "%%")
