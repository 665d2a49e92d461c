"""What a person may choose when starting Parley."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# platform/parley/embedded/options.py → the project
PROJECT = Path(__file__).resolve().parents[3]
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The choices of `up`."""

    data: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    has_demo: bool = True
    has_local_model: bool = True
    web_processes: int = 1

    @property
    def address(self) -> str:
        """Where a browser on this machine finds Parley."""
        return f"http://localhost:{self.port}"


def default_data_folder() -> Path:
    """PARLEY_DATA_DIR, or `.parley` in the project."""
    return Path(os.environ.get("PARLEY_DATA_DIR") or PROJECT / ".parley")
