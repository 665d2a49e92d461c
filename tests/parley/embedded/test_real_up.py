"""The shipped `manage.py up` with the shipped programs: it starts, answers, and starts again at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from parley.embedded.application import answers
from parley.embedded.ports import find_free_port, may_listen
from tests.parley.embedded.running import ROOT, environment

pytestmark = pytest.mark.xdist_group("embedded")


def _manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(180)
def test_parley_starts_answers_and_starts_again(tmp_path: Path) -> None:
    data, port = str(tmp_path / "data"), find_free_port()
    up = ("up", "--detach", "--no-demo", "--no-local-model", "--data", data, "--port", str(port))
    first = _manage(*up)
    assert first.returncode == 0, first.stdout + first.stderr
    try:
        assert answers(port, "/readyz")
        assert "Migrating the database" in first.stdout
        assert "The worker is ready" in first.stdout
        _manage("down", "--data", data)
        assert may_listen("127.0.0.1", port)
        second = _manage(*up)
        assert second.returncode == 0, second.stdout + second.stderr
        assert answers(port, "/readyz")
        assert "Migrating the database" not in second.stdout, "nothing changed since the first start"
    finally:
        _manage("down", "--data", data)
    assert may_listen("127.0.0.1", port)
