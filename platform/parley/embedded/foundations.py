"""The two servers that everything stands on: embedded ones, or those that the person named."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping

from parley.embedded.children import Child, Program
from parley.embedded.console import Console
from parley.embedded.database_access import DatabaseAccess, embedded_access, external_access
from parley.embedded.folder import DataFolder
from parley.embedded.ports import find_free_port
from parley.embedded.postgres import PostgresCluster, existing_owner
from parley.embedded.problems import CannotStart
from parley.embedded.supervisor import Supervisor
from parley.embedded.valkey import ValkeyServer

_PATIENCE = 120.0
_PREDECESSOR_SECONDS = 20.0


class Foundations:
    """Starts PostgreSQL and Valkey from the data folder unless DATABASE_URL or VALKEY_URL say where they are."""

    def __init__(self, folder: DataFolder, supervisor: Supervisor, console: Console) -> None:
        self._folder = folder
        self._supervisor = supervisor
        self._console = console
        self._children: list[Child] = []

    def start_valkey(self, password: str) -> str:
        """The URL of a Valkey that is starting or was given."""
        external = os.environ.get("VALKEY_URL")
        if external:
            self._console.say("Using the Valkey of VALKEY_URL")
            return external
        server = ValkeyServer(self._folder.path / "valkey", find_free_port(), password)
        server.configure()
        program = Program(
            "valkey", "message store (Valkey)", server.argv, {}, server.directory, server.is_ready, is_foundation=True
        )
        self._children.append(self._supervisor.start(program))
        return server.url

    def open_database(self, passwords: Mapping[str, str]) -> DatabaseAccess:
        """The ways into a database that answers and has its roles. Raises `CannotStart`."""
        url = os.environ.get("DATABASE_URL")
        if url:
            self._console.say("Using the PostgreSQL of DATABASE_URL")
            return external_access(url, os.environ, passwords)
        return embedded_access(self._start_postgres(), passwords)

    def wait_ready(self) -> None:
        """Wait for what has been started."""
        self._supervisor.wait_ready(*self._children, seconds=_PATIENCE)

    def _start_postgres(self) -> PostgresCluster:
        directory = self._folder.path / "postgres"
        cluster = PostgresCluster(directory, find_free_port(), user=existing_owner(directory))
        if not cluster.is_initialised:
            with self._console.step("Making the database files", "The database files are made"):
                cluster.initialise()
        self._wait_for_predecessor(cluster)
        cluster.configure()
        program = Program(
            "postgres",
            "database (PostgreSQL)",
            cluster.argv,
            cluster.environment,
            cluster.directory,
            cluster.is_ready,
            # For PostgreSQL this is the signal to stop now, but in good order.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            patience=30.0,
            user=cluster.user,
            is_foundation=True,
        )
        postgres = self._supervisor.start(program)
        self._children.append(postgres)
        self._supervisor.wait_ready(postgres, seconds=_PATIENCE)
        return cluster

    def _wait_for_predecessor(self, cluster: PostgresCluster) -> None:
        """After a kill -9 the last server may still be closing its files."""
        deadline = time.monotonic() + _PREDECESSOR_SECONDS
        while (pid := cluster.running_pid) is not None:
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"Another PostgreSQL (pid {pid}) still uses {cluster.directory}. Stop it, then try again."
                )
            time.sleep(0.1)
        cluster.forget_predecessor()
