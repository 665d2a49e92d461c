"""Operator's door: a new organisation and its first owner."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from apps.tenants.models import User
from apps.tenants.services.tenants import create_tenant
from parley.errors import Problem


class Command(BaseCommand):
    help = "Creates an organisation. A new owner gets a generated password, printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--owner", required=True, metavar="EMAIL", help="a new or existing person's address")
        parser.add_argument("--slug", help="the name in addresses; made from the name when left out")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["owner"].strip().lower()
        password: str | None = None
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError(f"{options['owner']!r} is not an e-mail address.") from None
        try:
            with transaction.atomic():
                owner = User.objects.filter(email__iexact=email).first()
                if owner is None:
                    password = secrets.token_urlsafe(12)
                    owner = User.objects.create_user(email=email, password=password)
                tenant = create_tenant(name=options["name"], owner=owner, slug=options["slug"])
        except Problem as problem:
            raise CommandError(problem.detail) from None
        created = {
            "id": str(tenant.id),
            "slug": tenant.slug,
            "name": tenant.name,
            "owner": email,
            "password": password,
        }
        if options["as_json"]:
            self.stdout.write(json.dumps(created))
            return
        self.stdout.write(f"Created {tenant.name} at /t/{tenant.slug}/ with the owner {email}.")
        if password:
            self.stdout.write(f"Their password, shown only now: {password}")
