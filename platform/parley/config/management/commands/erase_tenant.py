"""Removes an organisation and every row it owns."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections, transaction

from apps.tenants import selectors
from parley.tenancy.strict import tenant_models

OWNER = "migrator"


class Command(BaseCommand):
    help = "Erases an organisation for good: members' accounts stay, everything else of it goes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = selectors.find_tenant(slug=options["slug"])
        if tenant is None:
            raise CommandError(f"There is no organisation with the address name {options['slug']!r}.")
        question = f"This erases {tenant.name} for good. Type its address name to go on: "
        if not options["yes"] and _answer(question) != tenant.slug:
            raise CommandError("Nothing was changed.")
        # As the owner: the audit log, too, goes, which the role that serves requests may not touch.
        with transaction.atomic(using=OWNER), connections[OWNER].cursor() as cursor:
            erased = 0
            for model in reversed(tenant_models()):
                cursor.execute(f'DELETE FROM "{model._meta.db_table}" WHERE tenant_id = %s', [tenant.id])  # noqa: S608 - our own table names
                erased += cursor.rowcount
            cursor.execute("DELETE FROM tenants_tenant WHERE id = %s", [tenant.id])
        self.stdout.write(f"Erased {tenant.name}: {erased} rows.")


def _answer(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        # Nobody is there to ask.
        return ""
