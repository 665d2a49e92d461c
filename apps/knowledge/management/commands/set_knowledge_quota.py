"""Operator's door: how much knowledge an organisation may keep."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.knowledge.models import KnowledgeQuota
from apps.tenants import selectors
from parley.tenancy import tenant_tx

MEGABYTE = 1_000_000


class Command(BaseCommand):
    help = "Sets how many documents and megabytes an organisation may keep; without a number there is no limit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--documents", type=int)
        parser.add_argument("--megabytes", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = selectors.find_tenant(slug=options["tenant"])
        if tenant is None:
            raise CommandError(f"There is no organisation with the address name {options['tenant']!r}.")
        documents, megabytes = options["documents"], options["megabytes"]
        if any(limit is not None and limit < 0 for limit in (documents, megabytes)):
            raise CommandError("A limit is 0 or more.")
        with tenant_tx(tenant.id):
            KnowledgeQuota.objects.update_or_create(
                defaults={
                    "max_documents": documents,
                    "max_bytes": None if megabytes is None else megabytes * MEGABYTE,
                }
            )
        limits = [
            f"{documents:,} documents" if documents is not None else "any number of documents",
            f"{megabytes:,} MB" if megabytes is not None else "files of any size together",
        ]
        self.stdout.write(f"{tenant.name} may keep {' and '.join(limits)}.")
