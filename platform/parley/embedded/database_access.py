"""The ways into the database that each process is given: one role each, embedded or external."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from parley.db.bootstrap import MIGRATOR, BootstrapFailed, administrator, bootstrap_database
from parley.embedded.postgres import PostgresCluster
from parley.embedded.problems import CannotStart

DATABASE = "parley"
_MARK = "Parley's schema of "


@dataclass(frozen=True, slots=True)
class DatabaseAccess:
    """URLs by role. Without a migrator the schema is somebody else's job."""

    app: str
    platform: str
    migrator: str | None

    @property
    def for_serving(self) -> dict[str, str]:
        """What web, worker and beat are told. Named, the owner's place is theirs too: no file fills it in."""
        return {
            "DATABASE_URL": self.app,
            "PARLEY_PLATFORM_DATABASE_URL": self.platform,
            "PARLEY_MIGRATOR_DATABASE_URL": self.app,
        }

    @property
    def for_migrating(self) -> dict[str, str]:
        """What the migrate step is told besides."""
        return self.for_serving | ({"PARLEY_MIGRATOR_DATABASE_URL": self.migrator} if self.migrator else {})


def embedded_access(cluster: PostgresCluster, passwords: Mapping[str, str]) -> DatabaseAccess:
    """Prepare the embedded server. Raises `CannotStart`."""
    try:
        bootstrap_database(cluster.admin_url(), passwords=passwords, database=DATABASE)
    except BootstrapFailed as error:
        raise CannotStart(str(error)) from error
    urls = {role: cluster.role_url(role, password, DATABASE) for role, password in passwords.items()}
    return DatabaseAccess(urls["app_rw"], urls["app_platform"], urls[MIGRATOR])


def external_access(url: str, environ: Mapping[str, str], passwords: Mapping[str, str]) -> DatabaseAccess:
    """The ways into the person's own server.

    If the given user may create roles, the four are made there with the passwords of this data folder.
    Otherwise the URL is taken as the application's own. Raises `CannotStart` with what to set.
    """
    try:
        who = administrator(url)
        if not who.may_create_roles:
            return _access_as_given(url, environ)
        database = conninfo_to_dict(url).get("dbname") or DATABASE
        bootstrap_database(url, passwords=passwords, database=str(database))
    except (psycopg.OperationalError, BootstrapFailed) as error:
        raise CannotStart(f"The database of DATABASE_URL cannot be used: {str(error).strip()}") from error
    urls = {role: with_credentials(url, role, password) for role, password in passwords.items()}
    return DatabaseAccess(urls["app_rw"], urls["app_platform"], urls[MIGRATOR])


def _access_as_given(url: str, environ: Mapping[str, str]) -> DatabaseAccess:
    platform = environ.get("PARLEY_PLATFORM_DATABASE_URL") or url
    return DatabaseAccess(url, platform, environ.get("PARLEY_MIGRATOR_DATABASE_URL"))


def with_credentials(url: str, user: str, password: str) -> str:
    """The same server and database for another user."""
    parts = urlsplit(url)
    _, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}"))


def recorded_fingerprint(url: str) -> str | None:
    """The fingerprint of the code that last migrated this database; it lives and dies with the tables."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT obj_description('public'::regnamespace, 'pg_namespace')").fetchone()
    text = row[0] if row else None
    return text.removeprefix(_MARK) if text and text.startswith(_MARK) else None


def record_fingerprint(migrator_url: str, fingerprint: str) -> None:
    """Remember a successful migration. Who may not (only the owner may) migrates at every start."""
    comment = sql.SQL("COMMENT ON SCHEMA public IS {}").format(sql.Literal(_MARK + fingerprint))
    with psycopg.connect(migrator_url) as connection, suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute(comment)
