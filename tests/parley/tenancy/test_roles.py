"""The database role of the product and of the tests."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from parley.tenancy.roles import RoleFacts, role_facts
from tests.services import ROOT, TestServices


@pytest.mark.django_db
def test_the_suite_runs_as_the_restricted_role() -> None:
    """T-18, T-01: not superuser, not BYPASSRLS, owner of nothing."""
    facts = role_facts()
    assert facts == RoleFacts("app_rw", is_superuser=False, bypasses_rls=False, owned_tables=0)
    assert facts.complaint is None


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        (RoleFacts("postgres", True, False, 0), "is a superuser"),
        (RoleFacts("app_migrator", False, True, 40), "bypasses row-level security and owns 40 tables"),
        (RoleFacts("owner", False, False, 1), "owns 1 tables"),
    ],
)
def test_a_role_that_sees_through_the_walls_is_named(facts: RoleFacts, complaint: str) -> None:
    """T-01."""
    assert facts.complaint is not None
    assert complaint in facts.complaint


@pytest.mark.django_db
@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "check", "--database", "default"],
        ["-m", "uvicorn", "parley.config.asgi:application", "--port", "0", "--log-level", "warning"],
        ["-m", "celery", "-A", "parley.config", "worker", "--pool", "solo", "--loglevel", "ERROR"],
    ],
    ids=["check", "web", "worker"],
)
def test_nothing_serves_as_superuser(command: list[str], test_services: TestServices) -> None:
    """T-01: the check fails, and web and worker end with the reason instead of starting."""
    environment = test_services.environment(connection.settings_dict["NAME"])
    environment["DATABASE_URL"] = make_conninfo(test_services.admin_url, dbname=connection.settings_dict["NAME"])
    environment["PYTHONPATH"] = f"{ROOT / 'platform'}:{ROOT}"
    outcome = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert outcome.returncode != 0
    assert "is a superuser" in outcome.stderr
    assert "app_rw" in outcome.stderr
