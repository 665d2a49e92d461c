"""Operator's door: a key for programs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.tenants import policies, selectors
from apps.tenants.services.api_keys import create_api_key
from parley.errors import Problem
from parley.tenancy import tenant_tx

ALL = "all"


class Command(BaseCommand):
    help = "Creates an API key and prints it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--scopes", nargs="+", default=[ALL], help=f"'{ALL}', or permissions by space or comma")
        parser.add_argument("--name", default="operator")
        parser.add_argument("--days", type=int, help="days until it expires; never when left out")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = selectors.find_tenant(slug=options["tenant"])
        if tenant is None:
            raise CommandError(f"There is no organisation with the address name {options['tenant']!r}.")
        named = {scope for words in options["scopes"] for scope in words.replace(",", " ").split()}
        scopes = policies.ALL_PERMISSIONS if ALL in named else named
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        try:
            with tenant_tx(tenant.id):
                key = create_api_key(name=options["name"], scopes=scopes, expires_at=expires_at)
        except Problem as problem:
            raise CommandError(problem.detail) from None
        if options["as_json"]:
            printed = {"id": str(key.id), "name": key.name, "api_key": key.token, "scopes": list(key.scopes)}
            self.stdout.write(json.dumps({**printed, "expires_at": expires_at.isoformat() if expires_at else None}))
        else:
            self.stdout.write(f"{key.token}\nThis is the only time the key is shown.")
