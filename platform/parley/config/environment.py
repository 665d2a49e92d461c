"""Reads settings from environment variables, or from what a running `up` left in the data folder.

`manage.py` in a second terminal thereby talks to the embedded services without any variable set.
"""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parents[3]


def data_dir() -> Path:
    """Where embedded services and generated secrets live."""
    return Path(os.environ.get("PARLEY_DATA_DIR") or ROOT / ".parley").absolute()


@lru_cache(maxsize=1)
def _left_by_up() -> dict[str, str]:
    path = data_dir() / "environment.json"
    try:
        content: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return {}
    return content


def text(name: str, default: str | None = None) -> str:
    """A variable's text. Raises `ImproperlyConfigured` with the variable's name when it is required."""
    value = os.environ.get(name) or _left_by_up().get(name) or default
    if value is None:
        raise ImproperlyConfigured(
            f"{name} is not set. Start Parley with `make up`, or set {name} as the README's table describes."
        )
    return value


def flag(name: str, default: bool = False) -> bool:
    """A yes/no variable: 1, true, yes, on (any case) mean yes."""
    value = text(name, "1" if default else "0")
    return value.strip().lower() in {"1", "true", "yes", "on"}


def number(name: str, default: int) -> int:
    """A whole number."""
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def valkey(name: str) -> str:
    """A Valkey address; `valkey://` and `valkeys://` are other names of what clients call `redis://` and `rediss://`."""
    return re.sub(r"^valkey(s?)://", r"redis\1://", text(name))


def database(name: str, *, pool_size: int = 0, fallback: str | None = None) -> dict[str, Any]:
    """Django's database settings from a `postgresql://` URL. `pool_size` 0 means no pool."""
    info = conninfo_to_dict(text(name, fallback))
    options: dict[str, Any] = {
        key: value
        for key, value in info.items()
        if key not in {"host", "port", "user", "password", "dbname"} and value is not None
    }
    if pool_size:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": info.get("dbname", "parley"),
        "USER": info.get("user", ""),
        "PASSWORD": info.get("password", ""),
        "HOST": info.get("host", ""),
        "PORT": str(info.get("port", "")),
        "CONN_MAX_AGE": 0,
        "OPTIONS": options,
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
