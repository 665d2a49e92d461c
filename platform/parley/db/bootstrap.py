"""The four roles, the database and its extensions: everything that must exist before the first migration.

The same for embedded, throw-away and external servers. Safe to repeat; changes only what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

MIGRATOR = "app_migrator"
EXTENSIONS = ("vector", "pg_trgm", "unaccent")

# app_rw serves requests, app_platform runs the few jobs that work across tenants: neither sees through
# row-level security, owns anything or inherits anybody's rights. app_backup reads all and writes nothing.
ROLES: Mapping[str, str] = {
    MIGRATOR: "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS",
    "app_rw": "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOINHERIT",
    "app_platform": "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOINHERIT",
    "app_backup": "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS NOINHERIT",
}


class BootstrapFailed(Exception):
    """The server refused a step; the message says which and what the administrator can do."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """What the connected user may do."""

    name: str
    is_superuser: bool
    may_create_roles: bool


def administrator(dsn: str) -> Administrator:
    """Who a DSN signs in as. Raises psycopg.OperationalError when nobody answers."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        return _administrator(connection)


def bootstrap_database(admin_dsn: str, *, passwords: Mapping[str, str], database: str) -> None:
    """Create roles, database and extensions, or bring what exists to the declared state.

    `admin_dsn` signs in as a superuser, or as a role with CREATEROLE, CREATEDB and BYPASSRLS on servers that
    give nobody more. `passwords` holds one for each of `ROLES`. Raises `BootstrapFailed`.
    """
    try:
        with psycopg.connect(admin_dsn, autocommit=True) as connection:
            bootstrap_roles(connection, passwords)
            create_database(connection, database)
        with psycopg.connect(make_conninfo(admin_dsn, dbname=database), autocommit=True) as connection:
            prepare_database(connection, database)
    except psycopg.Error as error:
        host = conninfo_to_dict(admin_dsn).get("host", "the local socket")
        raise BootstrapFailed(
            f"PostgreSQL at {host} could not be prepared: {str(error).strip()}. Parley needs the roles "
            f"{', '.join(ROLES)}, a database and the extensions {', '.join(EXTENSIONS)}; sign in as a user "
            "who may create them."
        ) from error


def bootstrap_roles(connection: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    """Create the four roles with their attributes and passwords. They belong to the whole server."""
    who = _administrator(connection)
    for role, attributes in ROLES.items():
        name = sql.Identifier(role)
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        allowed = attributes
        if not who.is_superuser:
            # Only a superuser may even mention SUPERUSER, and only a member may give the role a database.
            allowed = attributes.replace("NOSUPERUSER ", "")
            if role == MIGRATOR:
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
        secret = connection.pgconn.encrypt_password(passwords[role].encode(), role.encode(), b"scram-sha-256")
        connection.execute(
            sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(name, sql.SQL(allowed), sql.Literal(secret.decode()))
        )


def create_database(connection: psycopg.Connection, database: str, *, template: str = "template0") -> None:
    """Create the database, owned by the migrating role, unless it exists."""
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
    if known is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(database), sql.Identifier(MIGRATOR), sql.Identifier(template)
            )
        )
    restrict_connections(connection, database)


def restrict_connections(connection: psycopg.Connection, database: str) -> None:
    """Let the four roles in and nobody else. A copy made from a template does not bring these along."""
    name = sql.Identifier(database)
    roles = sql.SQL(", ").join(sql.Identifier(role) for role in ROLES)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, roles))
    connection.execute(sql.SQL("GRANT CREATE, TEMPORARY ON DATABASE {} TO {}").format(name, sql.Identifier(MIGRATOR)))


def prepare_database(connection: psycopg.Connection, database: str) -> None:
    """Inside the database: extensions, and a public schema in which only the migrating role creates."""
    for extension in EXTENSIONS:
        connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    others = sql.SQL(", ").join(sql.Identifier(role) for role in ROLES if role != MIGRATOR)
    connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(MIGRATOR)))
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(others))


def _administrator(connection: psycopg.Connection) -> Administrator:
    row = connection.execute(
        "SELECT rolname, rolsuper, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None  # everybody sees themselves
    return Administrator(*row)
