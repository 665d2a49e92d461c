"""Prepares an external PostgreSQL; the embedded one is prepared by `up`."""

from __future__ import annotations

import os
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from parley.db.bootstrap import BootstrapFailed, bootstrap_database

ADMIN_VARIABLE = "PARLEY_ADMIN_DATABASE_URL"
# Each role's address is in one variable, so its password need not be said twice.
ROLE_VARIABLES = {
    "app_rw": "DATABASE_URL",
    "app_platform": "PARLEY_PLATFORM_DATABASE_URL",
    "app_migrator": "PARLEY_MIGRATOR_DATABASE_URL",
    "app_backup": "PARLEY_BACKUP_DATABASE_URL",
}


class Command(BaseCommand):
    """Creates the four roles with the passwords of their URLs, the database, and its extensions."""

    help = (
        "Create the database, its extensions and the four roles, with the passwords that stand in "
        "DATABASE_URL, PARLEY_{PLATFORM,MIGRATOR,BACKUP}_DATABASE_URL. Safe to repeat."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--admin-url", default=os.environ.get(ADMIN_VARIABLE), help=f"default: ${ADMIN_VARIABLE}")

    def handle(self, *args: Any, **options: Any) -> None:
        admin_url = options["admin_url"]
        if not admin_url:
            raise CommandError(f"Give --admin-url or {ADMIN_VARIABLE}: a user who may create roles and databases.")
        urls = {role: _role_url(role, variable) for role, variable in ROLE_VARIABLES.items()}
        database = str(urls["app_rw"].get("dbname") or "parley")
        passwords = {role: str(url["password"]) for role, url in urls.items()}
        try:
            bootstrap_database(admin_url, passwords=passwords, database=database)
        except BootstrapFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The database {database} and its four roles are ready.")


def _role_url(role: str, variable: str) -> dict[str, Any]:
    value = os.environ.get(variable)
    if not value and role == "app_backup":
        # Without an address nobody signs in as it yet; a password nobody knows keeps it that way.
        return {"user": role, "password": secrets.token_urlsafe(32)}
    try:
        url = conninfo_to_dict(value or "")
    except ProgrammingError as error:
        raise CommandError(f"{variable} is not an address of the form postgresql://…") from error
    if url.get("user") != role or not url.get("password"):
        raise CommandError(f"Set {variable} to postgresql://{role}:PASSWORD@HOST/DATABASE.")
    return dict(url)
