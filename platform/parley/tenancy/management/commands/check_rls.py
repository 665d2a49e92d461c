"""Reports every hole in the walls between tenants; exit code 1 when there is one (T-02)."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS

from parley.tenancy.catalog import rls_findings
from parley.tenancy.roles import role_facts


class Command(BaseCommand):
    help = "Checks that row-level security covers every tenant table and that this role cannot see past it."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = rls_findings(DEFAULT_DB_ALIAS)
        complaint = role_facts(DEFAULT_DB_ALIAS).complaint
        if complaint:
            findings.insert(0, complaint)
        for finding in findings:
            self.stdout.write(self.style.ERROR(f"- {finding}"))
        if findings:
            self.stdout.write(f"{len(findings)} findings.")
            sys.exit(1)
        self.stdout.write(self.style.SUCCESS("Row-level security covers every tenant table: 0 findings."))
