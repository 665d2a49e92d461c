"""One throw-away PostgreSQL and Valkey for a test run, reached as the restricted role (T-18).

The controlling process starts them and migrates a template database; each xdist worker copies the template.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
for source_root in (ROOT / "platform", ROOT):
    if str(source_root) not in sys.path:
        sys.path.insert(0, str(source_root))

from tests.services import TEMPLATE_DATABASE, TestServices, point_settings_at  # noqa: E402 - needs the path above

_stack = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Start the services once, before any worker exists; workers inherit their addresses."""
    if "PARLEY_TEST_SERVICES" in os.environ or config.option.collectonly or config.option.help:
        return
    directory = _stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-test-", ignore_cleanup_errors=True))
    services = _stack.enter_context(TestServices.start(Path(directory)))
    os.environ["PARLEY_TEST_SERVICES"] = services.to_json()
    config.add_cleanup(_stop_services)


def _stop_services() -> None:
    os.environ.pop("PARLEY_TEST_SERVICES", None)
    _stack.close()


@pytest.fixture(scope="session")
def test_services() -> TestServices:
    """Addresses of this run's PostgreSQL and Valkey."""
    return TestServices.from_json(os.environ["PARLEY_TEST_SERVICES"])


@pytest.fixture(scope="session")
def django_db_setup(test_services: TestServices, worker_id: str, django_db_blocker: Any) -> Iterator[None]:
    """Replaces pytest-django's: a copy of the migrated template, seen through the product's own roles."""
    database = f"parley_{worker_id}"
    with django_db_blocker.unblock():
        test_services.create_database(database, template=TEMPLATE_DATABASE)
        point_settings_at(test_services, database, valkey_database=_valkey_number(worker_id))
    yield
    with django_db_blocker.unblock():
        from django.db import connections

        connections.close_all()


def _valkey_number(worker_id: str) -> int:
    digits = "".join(filter(str.isdigit, worker_id))
    return int(digits or 0) + 1


@pytest.fixture(autouse=True)
def _flush_tables_as_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a transactional test Django truncates tables, which the restricted role may not: the owner does."""
    from django.test import TransactionTestCase

    from tests.services import truncate_all_tables

    monkeypatch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: truncate_all_tables())


pytest_plugins = ["tests.fixtures"]
