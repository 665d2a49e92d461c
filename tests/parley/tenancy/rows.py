"""A minimal row of any tenant model, made from the database's own description of its table.

Tests over "every tenant model" must include models nobody thought of yet, so they cannot use factories.
References and checks are off for the insert: these tests ask who sees a row, not whether it makes sense.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections

from parley.tenancy.models import TenantOwned

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attnotnull AND NOT a.atthasdef AND a.attgenerated = '' AND a.attidentity = ''
"""
_CHECKS = "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'"


class RowLab:
    """One superuser transaction that plays the restricted role and is rolled back."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def insert(self, model: type[TenantOwned], tenant_id: uuid.UUID) -> uuid.UUID:
        """Insert a row as the superuser; returns its id."""
        table = f'"{model._meta.db_table}"'
        self.connection.execute("SET LOCAL session_replication_role = replica")
        for (check,) in self.connection.execute(_CHECKS, [table]).fetchall():
            self.connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{check}"')
        row_id = uuid.uuid4()
        self.connection.execute(self.insert_statement(model, tenant_id, row_id))
        return row_id

    def insert_statement(self, model: type[TenantOwned], tenant_id: uuid.UUID, row_id: uuid.UUID) -> str:
        """`INSERT` text with a literal for every column that needs one."""
        described = self.connection.execute(_COLUMNS, [f'"{model._meta.db_table}"']).fetchall()
        columns = {name: _literal(kind) for name, kind in described}
        columns["tenant_id"], columns["id"] = f"'{tenant_id}'", f"'{row_id}'"
        names = ", ".join(f'"{name}"' for name in columns)
        return f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({", ".join(columns.values())})'

    def act_as(self, tenant_id: uuid.UUID | None) -> None:
        """From here on be app_rw, bound to a tenant or to none."""
        self.connection.execute("SET LOCAL session_replication_role = origin")
        self.connection.execute("SET LOCAL ROLE app_rw")
        self.connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id or "")])

    def refused(self, statement: str) -> str:
        """Why the database refuses a statement; an empty string when it does not."""
        try:
            with self.connection.transaction():
                self.connection.execute(statement)
        except psycopg.Error as error:
            return str(error)
        return ""


@contextmanager
def row_lab(admin_url: str) -> Iterator[RowLab]:
    """Open a laboratory on the test's own database."""
    database = connections["default"].settings_dict["NAME"]
    with psycopg.connect(psycopg.conninfo.make_conninfo(admin_url, dbname=database)) as connection:
        try:
            yield RowLab(connection)
        finally:
            connection.rollback()


def _literal(kind: str) -> str:
    literals = {
        "uuid": f"'{uuid.uuid4()}'",
        "boolean": "false",
        "jsonb": "'{}'",
        "timestamp with time zone": "now()",
        "date": "current_date",
        "bytea": "'\\x00'",
        "tsvector": "''",
        "double precision": "0",
        "text": "'x'",
    }
    if kind.endswith("[]"):
        return "'{}'"
    if kind in literals:
        return literals[kind]
    if kind.startswith("character varying"):
        return "'x'"
    if kind.startswith(("integer", "bigint", "smallint", "numeric")):
        return "1"
    if kind.startswith(("halfvec", "vector")):
        size = kind.partition("(")[2].rstrip(")") or "3"
        return f"array_fill(0.5::real, ARRAY[{size}])::{kind}"
    raise AssertionError(f"How is a {kind} written? Teach tests/parley/tenancy/rows.py.")
