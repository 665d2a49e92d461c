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
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
for source_root in (ROOT / "platform", ROOT):
    if str(source_root) not in sys.path:
        sys.path.insert(0, str(source_root))

from tests.services import (  # noqa: E402 - needs the path above
    ALIASES,
    TEMPLATE_DATABASE,
    TestServices,
    empty_all_tables,
    point_settings_at,
)

# What a property says is judged, never how busy the machine is.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

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
    # After a transactional test Django truncates, which the restricted role may not.
    TransactionTestCase._fixture_teardown = lambda self: empty_all_tables(test_services, database)  # type: ignore[method-assign]
    yield
    with django_db_blocker.unblock():
        from django.db import connections

        connections.close_all()


def _valkey_number(worker_id: str) -> int:
    digits = "".join(filter(str.isdigit, worker_id))
    return int(digits or 0) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let database tests reach the database through every role of the product.

    What the platform role shall see must be committed: such tests are marked `transaction=True`.
    """
    for item in items:
        for marker in item.iter_markers("django_db"):
            marker.kwargs.setdefault("databases", list(ALIASES))


pytest_plugins = ["tests.fixtures"]
