"""How long a person waits for `make up`, and how much memory the whole product takes.

The first start is that of a fresh copy in an empty folder, with its own virtual environment and the install.
Resident memory is proportional (PSS): pages that several processes share are counted once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from parley.embedded.folder import DataFolder
from parley.embedded.ports import find_free_port

ROOT = Path(__file__).resolve().parents[1]
SECOND_STARTS = 5
# The web process warms LiteLLM in the background; the worker forks. Measure what is there after that.
SETTLING_SECONDS = 30.0


def run() -> Iterator[Figure]:
    """`up.first_start_s`, `up.second_start_s`, `up.rss_mb`."""
    with _fresh_copy() as copy:
        try:
            yield Figure("up.first_start_s", _start(copy), "s", note="includes the install of the dependencies")
            time.sleep(SETTLING_SECONDS)
            yield Figure("up.rss_mb", _proportional_mb(copy), "MB", note="sum of PSS over every process")
            seconds = []
            for _ in range(SECOND_STARTS):
                _make(copy, "down")
                seconds.append(_start(copy))
            yield Figure.of_runs("up.second_start_s", "s", seconds)
        finally:
            _make(copy, "down")


@contextmanager
def _fresh_copy() -> Iterator[Path]:
    """What a clone would hold, with the changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="parley-bench-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "parley"
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
        yield copy


def _start(copy: Path) -> float:
    started = time.perf_counter()
    _make(copy, "up", f"PORT={find_free_port()}", "ARGS=--detach")
    return time.perf_counter() - started


def _make(copy: Path, *words: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "MAKE", "PYTHONPATH"))}
    done = subprocess.run(["make", *words], cwd=copy, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"make {' '.join(words)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")


def _proportional_mb(copy: Path) -> float:
    running = DataFolder(copy / ".parley").who_runs()
    assert running is not None
    supervisor = psutil.Process(running.pid)
    family = [supervisor, *supervisor.children(recursive=True)]
    return float(sum(process.memory_full_info().pss for process in family)) / 1e6
