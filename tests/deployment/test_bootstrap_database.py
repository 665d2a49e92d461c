"""`manage.py bootstrap_database`: what an external server must have before the first migration."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import CommandError, call_command
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from parley.db.bootstrap import EXTENSIONS, ROLES
from parley.db.management.commands.bootstrap_database import ADMIN_VARIABLE, ROLE_VARIABLES
from parley.embedded.database_access import with_credentials
from tests.services import TestServices

# Roles belong to the server that all workers share: two bootstraps at once would get in each other's way.
pytestmark = pytest.mark.xdist_group("bootstrap")

DATABASE = "bootstrapped"


@pytest.fixture
def addresses(test_services: TestServices, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Each role's address in its variable, with the passwords it has anyway (roles are server-wide)."""
    urls = {}
    for role, url in test_services.role_urls.items():
        password = str(conninfo_to_dict(url)["password"])
        urls[role] = with_credentials(url, role, password).rpartition("/")[0] + f"/{DATABASE}"
        monkeypatch.setenv(ROLE_VARIABLES[role], urls[role])
    yield urls
    with psycopg.connect(test_services.admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def test_makes_roles_database_and_extensions_and_may_be_repeated(
    addresses: dict[str, str], test_services: TestServices
) -> None:
    """T-01 for external servers: the roles that serve are neither superuser nor beyond row-level security."""
    for _ in range(2):
        call_command("bootstrap_database", admin_url=test_services.admin_url)
    with psycopg.connect(make_conninfo(test_services.admin_url, dbname=DATABASE)) as connection:
        installed = {name for (name,) in connection.execute("SELECT extname FROM pg_extension").fetchall()}
        roles = connection.execute(
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = ANY(%s)",
            (list(ROLES),),
        ).fetchall()
    assert installed >= set(EXTENSIONS)
    assert {name: powers for name, *powers in roles} == {
        "app_migrator": [False, False, False, True],
        "app_rw": [False, False, False, False],
        "app_platform": [False, False, False, False],
        "app_backup": [False, False, False, True],
    }


def test_only_the_migrating_role_creates_tables(addresses: dict[str, str], test_services: TestServices) -> None:
    call_command("bootstrap_database", admin_url=test_services.admin_url)
    with psycopg.connect(addresses["app_migrator"]) as connection:
        connection.execute("CREATE TABLE allowed (id int)")
    for role in ("app_rw", "app_platform", "app_backup"):
        with (
            psycopg.connect(addresses[role]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("CREATE TABLE refused (id int)")


def test_everybody_else_is_kept_out(addresses: dict[str, str], test_services: TestServices) -> None:
    call_command("bootstrap_database", admin_url=test_services.admin_url)
    with psycopg.connect(test_services.admin_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
        try:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(with_credentials(addresses["app_rw"], "stranger", "stranger"))
        finally:
            connection.execute("DROP ROLE stranger")


def test_says_what_is_missing(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADMIN_VARIABLE, raising=False)
    with pytest.raises(CommandError, match="Give --admin-url or PARLEY_ADMIN_DATABASE_URL"):
        call_command("bootstrap_database")
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres:secret@db/parley")
    with pytest.raises(CommandError, match="Set DATABASE_URL to postgresql://app_rw:PASSWORD@HOST/DATABASE"):
        call_command("bootstrap_database", admin_url="postgresql://postgres@db/postgres")


def test_unreachable_server_is_a_sentence(addresses: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="could not be prepared"):
        call_command("bootstrap_database", admin_url="postgresql://postgres@127.0.0.1:1/postgres")
