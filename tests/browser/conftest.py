"""A real browser on the real server: the shipped ASGI application as a process of its own on this test's database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.factories.tenants import PASSWORD
from tests.services import ROOT, TestServices

CHROMIUM = Path("/usr/bin/chromium")
INSTALL = "Chromium is missing. Install it with: apt-get install chromium"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "allow_console_errors: the page may write errors to the browser's console")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a module's tests together, and skip them where there is no browser.

    CI never skips: there the browser must be present, and the fixture below fails without it. Together on one
    worker, because Playwright occupies the thread's event loop until its module is over, and asynchronous tests
    could not run in between.
    """
    here = Path(__file__).parent
    may_skip = not CHROMIUM.exists() and os.environ.get("CI") != "true"
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.xdist_group(f"browser-{item.path.stem}"))
        if may_skip:
            item.add_marker(pytest.mark.skip(reason=INSTALL))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, one for all tests of a module."""
    if not CHROMIUM.exists():
        pytest.fail(INSTALL)
    with sync_playwright() as playwright:
        # Playwright keeps an event loop running in this thread, so Django takes every query of a test for an
        # asynchronous mistake; there is none, the tests are plain functions.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def server_url(test_services: TestServices, django_db_setup: None, worker_id: str) -> Iterator[str]:
    """The address of a web process that serves this worker's database."""
    from django.conf import settings

    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **test_services.environment(f"parley_{worker_id}"),
        "VALKEY_URL": settings.VALKEY_URL,
        "PARLEY_PUBLIC_URL": url,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
    }
    command = [sys.executable, "-m", "uvicorn", "parley.config.asgi:application", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--log-level", "warning", "--lifespan", "on", "--ws", "websockets-sansio"], env=environment, cwd=ROOT
    ) as process:
        try:
            _wait_until_it_answers(url, process)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"The server ended at once with code {process.returncode}; its output is above.")
        try:
            httpx.get(f"{url}/healthz", timeout=2)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("The server did not answer within a minute.")


@pytest.fixture
def open_page(
    browser: Browser, server_url: str, transactional_db: None, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """`open_page(**context_options)`: a page of a fresh profile.

    When the test ends, whatever the page complained about (script errors, refused by the content security
    policy, failed loads) fails the test, unless it is marked `allow_console_errors`.
    """
    complaints: list[str] = []
    contexts = []

    def make(**options: Any) -> Page:
        context = browser.new_context(
            base_url=server_url, **{"viewport": DESKTOP, "reduced_motion": "reduce", **options}
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        return page

    yield make
    for context in contexts:
        context.close()
    if not request.node.get_closest_marker("allow_console_errors"):
        assert complaints == []


def sign_in(page: Page, email: str, *, to: str = "/start/") -> None:
    """Through the sign-in page, as a person does."""
    page.goto(f"/accounts/login/?next={to}")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/accounts/" not in url)
