"""Starting `up` with stand-in programs, and asking the machine what became of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]
STUB = Path(__file__).with_name("stub_up.py")
_OURS_ALONE = ("DATABASE_URL", "VALKEY_URL", "PARLEY_", "DJANGO_")


def until(ask: Callable[[], object], *, what: str, seconds: float = 15.0) -> None:
    """Ask until the answer is true; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def command(*arguments: str, python: str = sys.executable) -> list[str]:
    """The command line of a stand-in `up` or `down`."""
    return [python, str(STUB), *arguments]


def environment(**more: str) -> dict[str, str]:
    """What a person's terminal has: ours without the addresses and settings of the test run itself."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(_OURS_ALONE)}
    return ours | {"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}", "PYTHONUTF8": "1"} | more


class RunningUp:
    """One supervisor under test."""

    def __init__(
        self,
        data: Path,
        port: int,
        *options: str,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        python: str = sys.executable,
    ) -> None:
        self.data = data
        self.port = port
        arguments = command("up", "--data", str(data), "--port", str(port), *options, python=python)
        self.process = subprocess.Popen(
            [*prefix, *arguments],
            env=env or environment(),
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def wait_ready(self) -> RunningUp:
        """Read its words until the box with the address."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if "Stop with Ctrl-C" in line:
                return self
        raise AssertionError(f"up ended with {self.process.wait()} before it was ready:\n{self.said}")

    def read_until(self, words: str) -> None:
        """Read on until a line has the words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"{words!r} was never said:\n{self.said}")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop; the exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        self.said += rest
        return self.process.returncode

    def family(self) -> list[psutil.Process]:
        """The supervisor's children with all they started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def log(self, name: str) -> str:
        return (self.data / "logs" / f"{name}.log").read_text()

    def environment(self) -> dict[str, str]:
        """What it left for a second terminal."""
        content: dict[str, str] = json.loads((self.data / "environment.json").read_text())
        return content


def page(port: int) -> str | None:
    """What the stand-in web server answers, or None when nothing listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as response:
            text: str = response.read().decode()
            return text
    except (urllib.error.URLError, OSError):
        return None


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; a dead one that nobody has collected does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listening_ports(processes: Sequence[psutil.Process]) -> set[int]:
    """Every TCP port that one of the processes listens on."""
    ports = set()
    for process in processes:
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.Error:
            continue
        ports |= {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}
    return ports
