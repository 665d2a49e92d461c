"""The migrated schema of the last run, kept beside the environment: migrating takes longer than most tests.

It is named by the sources that make it, so a change of any of them migrates anew.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from psycopg.conninfo import make_conninfo

ROOT = Path(__file__).resolve().parents[1]
_SOURCES = (
    "apps/*/migrations/*.py",
    "apps/*/models*/**/*.py",
    "apps/*/models.py",
    "platform/parley/*/migrations/*.py",
    "platform/parley/*/models.py",
    "platform/parley/db/*.py",
    "platform/parley/tenancy/**/*.py",
    "requirements/run.txt",
)
_FOLDER = ROOT / ".venv" / "test-schemas"
_KEPT = 8


def restore(admin_url: str, database: str) -> bool:
    """Fill a prepared, empty database from the cache; False when these sources were never migrated here."""
    dump = _dump()
    if not dump.exists():
        return False
    subprocess.run(
        [_tool("pg_restore"), "--schema=public", "--exit-on-error", "--dbname", _address(admin_url, database), dump],
        check=True,
    )
    return True


def keep(admin_url: str, database: str) -> None:
    """Remember a database that was migrated just now, and forget the oldest ones."""
    dump = _dump()
    dump.parent.mkdir(exist_ok=True)
    unfinished = dump.with_suffix(f".{hash(admin_url)}")
    address = _address(admin_url, database)
    subprocess.run(
        [_tool("pg_dump"), "--format=custom", "--schema=public", f"--file={unfinished}", address], check=True
    )
    unfinished.replace(dump)
    for old in sorted(dump.parent.glob("*.dump"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        old.unlink(missing_ok=True)


def _dump() -> Path:
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _SOURCES for path in ROOT.glob(pattern)}):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return _FOLDER / f"{digest.hexdigest()[:32]}.dump"


def _address(admin_url: str, database: str) -> str:
    return make_conninfo(admin_url, dbname=database)


def _tool(name: str) -> str:
    from parley.db.dumps import find_tool

    return find_tool(name)
