"""PostgreSQL refuses to run as root, so root's PostgreSQL runs as an OS user without any rights of its own.

Nobody's folders are opened up for that user. It reaches its data through its working directory (see
`postgres`), and programs that live where it cannot go are copied to where it can.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from parley.embedded.problems import CannotStart

USER_NAME = "parley-postgres"
SHARED_PROGRAMS = Path("/var/lib/parley")


@dataclass(frozen=True, slots=True)
class OsUser:
    """The numeric identity a child process takes on."""

    uid: int
    gid: int


def restricted_user() -> OsUser | None:
    """The user PostgreSQL shall run as: None (ourselves) for ordinary people, for root a system user.

    Creates that user on first use; falls back to `nobody` where users cannot be created.
    """
    if os.geteuid() != 0:
        return None
    user = _find_user(USER_NAME)
    if user is None:
        _create_user()
        user = _find_user(USER_NAME) or _find_user("nobody")
    if user is None:
        raise CannotStart(
            f"PostgreSQL refuses to run as root, and no OS user {USER_NAME!r} could be made for it. "
            "Create that user, or start Parley as an ordinary user."
        )
    return user


def _find_user(name: str) -> OsUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return OsUser(entry.pw_uid, entry.pw_gid)


def _create_user() -> None:
    for command in (
        [
            "useradd",
            "--system",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
            USER_NAME,
        ],
        ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", USER_NAME],
    ):
        program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
        if (
            program is not None
            and subprocess.run([program, *command[1:]], capture_output=True, check=False).returncode == 0
        ):
            return


def others_may_reach(path: Path) -> bool:
    """Whether a user without rights could enter every folder down to `path`, and list `path` itself."""
    path = path.resolve()
    entered = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    wanted = stat.S_IROTH | stat.S_IXOTH
    return entered and path.stat().st_mode & wanted == wanted


def package_for(user: OsUser | None, package: Path, *, version: str, shared: Path = SHARED_PROGRAMS) -> Path:
    """The folder of an installed package of programs as `user` can run it: in place, or root's copy.

    A copy is needed when Parley's virtual environment is inside somebody's private folder such as /root.
    The package's bundled libraries lie beside it (`<name>.libs`) and are found relative to the programs.
    """
    if user is None or others_may_reach(package):
        return package
    copy = shared / f"{package.name}-{version}"
    if not copy.exists():
        shared.mkdir(parents=True, exist_ok=True)
        half_done = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=shared))
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(
                    part,
                    half_done / part.name,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("include"),
                )
        _open_to_readers(half_done)
        try:
            half_done.rename(copy)
        except OSError:  # somebody else finished first
            shutil.rmtree(half_done)
    return copy / package.name


def _open_to_readers(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644)
