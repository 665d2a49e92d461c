"""`manage.py bootstrap_database`: what an external server must have before the first migration."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import CommandError, call_command
from psycopg.conninfo import make_conninfo

from parley.db.bootstrap import EXTENSIONS, ROLES
from parley.db.management.commands.bootstrap_database import ADMIN_VARIABLE, ROLE_VARIABLES
from parley.embedded.database_access import with_credentials
from parley.embedded.throwaway import ThrowawayServices, start_throwaway_services

# One server for all of them: see `server`.
pytestmark = pytest.mark.xdist_group("bootstrap")

DATABASE = "bootstrapped"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayServices]:
    """A server of our own: roles belong to the whole server, and all other tests sign in as them."""
    with start_throwaway_services(tmp_path_factory.mktemp("bootstrap")) as services:
        yield services


@pytest.fixture
def addresses(server: ThrowawayServices, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Each role's address in its variable."""
    urls = server.role_urls(DATABASE)
    for role, url in urls.items():
        monkeypatch.setenv(ROLE_VARIABLES[role], url)
    yield urls
    server.drop_database(DATABASE)


def test_makes_roles_database_and_extensions_and_may_be_repeated(
    addresses: dict[str, str], server: ThrowawayServices
) -> None:
    """T-01 for external servers: the roles that serve are neither superuser nor beyond row-level security."""
    for _ in range(2):
        call_command("bootstrap_database", admin_url=server.admin_url)
    with psycopg.connect(make_conninfo(server.admin_url, dbname=DATABASE)) as connection:
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


def test_only_the_migrating_role_creates_tables(addresses: dict[str, str], server: ThrowawayServices) -> None:
    call_command("bootstrap_database", admin_url=server.admin_url)
    with psycopg.connect(addresses["app_migrator"]) as connection:
        connection.execute("CREATE TABLE allowed (id int)")
    for role in ("app_rw", "app_platform", "app_backup"):
        with (
            psycopg.connect(addresses[role]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("CREATE TABLE refused (id int)")


def test_everybody_else_is_kept_out(addresses: dict[str, str], server: ThrowawayServices) -> None:
    call_command("bootstrap_database", admin_url=server.admin_url)
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
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
