"""PostgreSQL and Valkey for a test run or a check: real servers, gone afterwards.

`python -m parley.embedded.throwaway COMMAND …` runs a command with the addresses in its environment.
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from parley.db.bootstrap import MIGRATOR, ROLES, bootstrap_roles, create_database, prepare_database
from parley.embedded.ports import find_free_ports
from parley.embedded.postgres import FORGETFUL, PostgresCluster
from parley.embedded.problems import CannotStart
from parley.embedded.processes import spawn, stop
from parley.embedded.valkey import ValkeyServer

_STARTUP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ThrowawayServices:
    """The running servers and the ways in."""

    cluster: PostgresCluster
    valkey: ValkeyServer
    passwords: Mapping[str, str]

    @property
    def admin_url(self) -> str:
        """The superuser's DSN (for preparing and inspecting, never for the code under test)."""
        return self.cluster.admin_url()

    def environment(self, database: str) -> dict[str, str]:
        """What a process of Parley must be told to use a database here."""
        urls = self.role_urls(database)
        return {
            "DATABASE_URL": urls["app_rw"],
            "PARLEY_PLATFORM_DATABASE_URL": urls["app_platform"],
            "PARLEY_MIGRATOR_DATABASE_URL": urls[MIGRATOR],
            "VALKEY_URL": self.valkey_url,
            "PARLEY_SECRET_KEY": secrets.token_urlsafe(64),
            "PARLEY_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }

    @property
    def valkey_url(self) -> str:
        return self.valkey.url

    def role_urls(self, database: str) -> dict[str, str]:
        """The DSN of each of the four roles for a database."""
        return {role: self.cluster.role_url(role, password, database) for role, password in self.passwords.items()}

    def create_database(self, name: str, template: str | None = None) -> None:
        """Make a database with Parley's extensions and rights, or a copy of one nobody is connected to."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            create_database(connection, name, template=template or "template0")
        if template is None:
            with psycopg.connect(make_conninfo(self.admin_url, dbname=name), autocommit=True) as connection:
                prepare_database(connection, name)

    def drop_database(self, name: str) -> None:
        """Remove a database, ending the connections to it."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(_name(name)))


def _name(name: str) -> psycopg.sql.Identifier:
    return psycopg.sql.Identifier(name)


@contextmanager
def start_throwaway_services(
    directory: Path, *, settings: Mapping[str, str] = FORGETFUL
) -> Iterator[ThrowawayServices]:
    """Run both servers on free ports with files in `directory` and the four roles; stop them at the end.

    Without `settings` nothing waits for the disk; benchmarks pass {} for what the product runs with. They end
    with the calling thread even when it is killed. Raises `CannotStart`, naming the log.
    """
    postgres_port, valkey_port = find_free_ports(2)
    cluster = PostgresCluster(directory / "postgres", postgres_port, settings)
    valkey = ValkeyServer(directory / "valkey", valkey_port, secrets.token_urlsafe(24))
    passwords = {role: secrets.token_urlsafe(24) for role in ROLES}
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not cluster.is_initialised:
        cluster.initialise()
    cluster.configure()
    valkey.configure()
    with ExitStack() as stack:
        log = stack.enter_context((directory / "services.log").open("ab"))
        postgres = spawn(
            cluster.argv,
            env=cluster.environment,
            cwd=cluster.directory,
            output=log,
            death_signal=signal.SIGQUIT,
            user=cluster.user,
        )
        stack.callback(stop, postgres, signal.SIGQUIT, patience=10)
        hints = spawn(valkey.argv, env={}, cwd=valkey.directory, output=log)
        stack.callback(stop, hints, signal.SIGTERM, patience=5)
        _wait(postgres, cluster.is_ready, "PostgreSQL", directory)
        _wait(hints, valkey.is_ready, "Valkey", directory)
        with psycopg.connect(cluster.admin_url(), autocommit=True) as connection:
            bootstrap_roles(connection, passwords)
        yield ThrowawayServices(cluster, valkey, passwords)


def _wait(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], name: str, directory: Path) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(f"{name} did not start; its words are in {directory / 'services.log'}.")
        time.sleep(0.05)


def main(command: Sequence[str]) -> int:
    """Run a command beside throw-away services; its exit code."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-"))
        services = stack.enter_context(start_throwaway_services(Path(folder)))
        services.create_database("parley")
        environment = os.environ | services.environment("parley") | {"PARLEY_DATA_DIR": folder}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
