"""PostgreSQL and Valkey for the tests: the product's own embedded ones, thrown away afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests import schema_cache

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE_DATABASE = "parley_template"
ALIASES = {"default": "app_rw", "platform": "app_platform", "migrator": "app_migrator"}


@dataclass(frozen=True, slots=True)
class TestServices:
    """Addresses; `role_urls` are for the template database."""

    __test__ = False

    admin_url: str
    role_urls: dict[str, str]
    valkey_url: str

    @classmethod
    @contextmanager
    def start(cls, directory: Path) -> Iterator[TestServices]:
        from parley.embedded.throwaway import start_throwaway_services

        with start_throwaway_services(directory) as services:
            services.create_database(TEMPLATE_DATABASE)
            started = cls(services.admin_url, services.role_urls(TEMPLATE_DATABASE), services.valkey_url)
            if not schema_cache.restore(started.admin_url, TEMPLATE_DATABASE):
                started.migrate()
                schema_cache.keep(started.admin_url, TEMPLATE_DATABASE)
            yield started

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TestServices:
        return cls(**json.loads(text))

    def environment(self, database: str) -> dict[str, str]:
        """Variables that point a `manage.py` process at one of these databases."""
        urls = {role: _with_database(url, database) for role, url in self.role_urls.items()}
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "parley.config.settings.test",
            "DATABASE_URL": urls["app_rw"],
            "PARLEY_PLATFORM_DATABASE_URL": urls["app_platform"],
            "PARLEY_MIGRATOR_DATABASE_URL": urls["app_migrator"],
            "VALKEY_URL": self.valkey_url,
        }

    def migrate(self) -> None:
        subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"],
            env=self.environment(TEMPLATE_DATABASE),
            check=True,
        )

    def create_database(self, name: str, *, template: str) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER app_migrator").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )


def _with_database(url: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(url, dbname=database)


def point_settings_at(services: TestServices, database: str, *, valkey_database: int) -> None:
    """Redirect the running Django to a copied database and an own Valkey number."""
    from django.conf import settings
    from django.core.cache import caches
    from django.db import connections

    for alias, role in ALIASES.items():
        info = conninfo_to_dict(services.role_urls[role])
        values = {
            "NAME": database,
            "USER": info.get("user", ""),
            "PASSWORD": info.get("password", ""),
            "HOST": info.get("host", ""),
            "PORT": str(info.get("port", "")),
        }
        settings.DATABASES[alias].update(values)
        connections[alias].settings_dict.update(values)
    valkey_url = services.valkey_url.rsplit("/", 1)[0] + f"/{valkey_database}"
    settings.VALKEY_URL = valkey_url
    settings.CACHES["default"]["LOCATION"] = valkey_url
    caches.settings["default"]["LOCATION"] = valkey_url
    # A test without a database may have opened the cache before: it would go on asking the old address.
    with suppress(AttributeError):
        del caches["default"]


_TABLES = """
SELECT string_agg(format('DELETE FROM %I', relname), ';') FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
  AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
"""


def empty_all_tables(services: TestServices, database: str) -> None:
    """Remove every row, as the superuser and past all references: quicker than TRUNCATE for a few rows."""
    with psycopg.connect(_with_database(services.admin_url, database)) as connection:
        connection.execute("SET session_replication_role = replica")
        row = connection.execute(_TABLES).fetchone()
        assert row is not None
        connection.execute(row[0])
