"""The data folder: private, used by one Parley at a time, with the secrets that were generated for it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parley.db.bootstrap import ROLES
from parley.embedded.problems import AlreadyRunning, CannotStart

_KEPT_LOGS = 3
_LOCK_TRIES = 6


@dataclass(frozen=True, slots=True)
class RunningParley:
    """Who holds the folder, as written into its lock."""

    pid: int
    address: str
    is_ready: bool = False


@dataclass(frozen=True, slots=True)
class Secrets:
    """Generated once per folder. The environment may override the first two."""

    secret_key: str
    encryption_key: str
    valkey_password: str
    role_passwords: Mapping[str, str]


class DataFolder:
    """A folder that this process holds until it ends, however that happens (the lock is the kernel's)."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def open(self, *, address: str) -> None:
        """Make the folder private and take it. Raises `AlreadyRunning`, `CannotStart` if it is not ours."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotStart(
                f"The data folder {self.path} cannot be used ({error.strerror}). "
                "Start Parley as its owner, or choose another folder with --data or PARLEY_DATA_DIR."
            ) from error
        if not _lock_exclusively(lock):
            os.close(lock)
            raise AlreadyRunning(self.running_sentence())
        self._lock = lock
        self.announce(RunningParley(pid=os.getpid(), address=address))

    def announce(self, running: RunningParley) -> None:
        """Tell others who runs here. Only the holder may."""
        assert self._lock is not None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps(asdict(running)).encode(), 0)

    def who_runs(self) -> RunningParley | None:
        """The Parley that holds the folder now, or None."""
        try:
            lock = os.open(self._lock_path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise CannotStart(f"The data folder {self.path} belongs to another user.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._read_lock()
        finally:
            os.close(lock)
        return None

    def running_sentence(self) -> str:
        """What to tell a person who starts a second one."""
        running = self._read_lock()
        if running is None:
            return f"Parley is already running from this folder ({self.path})."
        return (
            f"Parley is already running from this folder ({running.address}, pid {running.pid}). "
            "Stop it with Ctrl-C in its terminal or with `manage.py down`, or choose another with --data."
        )

    def _read_lock(self) -> RunningParley | None:
        try:
            return RunningParley(**json.loads(self._lock_path.read_text()))
        except (OSError, ValueError, TypeError):  # it has the lock but has not written yet
            return None

    @property
    def _lock_path(self) -> Path:
        return self.path / "up.lock"

    def secrets(self) -> Secrets:
        """Read the secrets, generating them first when the folder is new."""
        path = self.path / "secrets.json"
        known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        passwords = known.get("role_passwords", {})
        complete = Secrets(
            secret_key=known.get("secret_key") or secrets.token_urlsafe(64),
            encryption_key=known.get("encryption_key") or base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            valkey_password=known.get("valkey_password") or secrets.token_urlsafe(32),
            role_passwords={role: passwords.get(role) or secrets.token_urlsafe(32) for role in ROLES},
        )
        if asdict(complete) != known:
            self.write_private("secrets.json", asdict(complete))
        return complete

    def write_private(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file that only its owner can read, all of it or nothing."""
        path = self.path / name
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def read_private(self, name: str) -> dict[str, Any]:
        """A file of `write_private`, or nothing when it is missing or damaged."""
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return {}
        return content

    def forget(self, name: str) -> None:
        """Remove a file of `write_private`."""
        (self.path / name).unlink(missing_ok=True)

    def fresh_log(self, name: str) -> Path:
        """The path of an empty log; the logs of the last starts are kept beside it as .1, .2, .3."""
        logs = self.path / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        for age in range(_KEPT_LOGS, 0, -1):
            older, newer = (
                logs / f"{name}.log.{age}",
                logs / f"{name}.log.{age - 1}" if age > 1 else logs / f"{name}.log",
            )
            if newer.exists():
                newer.replace(older)
        return logs / f"{name}.log"


def _lock_exclusively(lock: int) -> bool:
    """Take the lock. Somebody who only looks (`who_runs`) holds it for an instant, so try for a moment."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False
