"""Real text recognition where Tesseract is installed; CI never does without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from apps.knowledge.ingest.sandbox import Sandbox

INSTALL = "Tesseract is missing. Install it with: apt-get install tesseract-ocr"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.close()


@pytest.fixture
def seeing_sandbox(sandbox: Sandbox) -> Sandbox:
    """A sandbox that can read pictures."""
    if shutil.which("tesseract") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    return sandbox


@pytest.fixture
def blind_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox on a machine without Tesseract."""
    monkeypatch.setenv("PATH", "")
    made = Sandbox()
    yield made
    made.close()
