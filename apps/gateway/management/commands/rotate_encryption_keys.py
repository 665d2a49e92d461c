"""Moves every stored secret to the first key of PARLEY_ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.tenants import selectors as tenants
from parley.db.encrypted import UnreadableSecret, encrypted_fields, keyring, reencrypt
from parley.tenancy import tenant_tx


class Command(BaseCommand):
    help = (
        "Encrypts stored secrets anew with the first key of PARLEY_ENCRYPTION_KEYS. Put the new key first, "
        "keep the old one behind it, run this, then remove the old key. Safe to stop and to run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        changed = 0
        for tenant_id in tenants.list_tenant_ids():
            for model, field in encrypted_fields():
                try:
                    with tenant_tx(tenant_id):
                        changed += reencrypt(model, field)
                except UnreadableSecret as error:
                    raise CommandError(str(error)) from error
        self.stdout.write(f"{changed} secrets now use the key {keyring().primary_id}.")
