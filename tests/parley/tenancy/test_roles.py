"""The database role of the product and of the tests."""

from __future__ import annotations

import pytest
from django.db import connection

from parley.tenancy.roles import RoleFacts, role_facts


@pytest.mark.django_db
def test_the_suite_runs_as_the_restricted_role() -> None:
    """T-18, T-01: not superuser, not BYPASSRLS, owner of nothing."""
    facts = role_facts()
    assert facts == RoleFacts("app_rw", is_superuser=False, bypasses_rls=False, owned_tables=0)
    assert facts.complaint is None
