"""Where the public data lies that benchmarks measure with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared_data(name: str) -> Path | None:
    """The folder of that name, or None after saying that the benchmark is skipped."""
    folder = Path(os.environ.get("PARLEY_BENCH_DATA", _BESIDE)) / name
    if folder.is_dir():
        return folder
    print(f"Skipped: there is no data in {name}/. PARLEY_BENCH_DATA names the folder that has it.", file=sys.stderr)
    return None
