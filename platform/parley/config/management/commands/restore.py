"""Replaces the whole database with what a backup holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.tenants import selectors
from parley.db.dumps import DumpFailed, read_dump
from parley.tenancy.grants import apply_grants


class Command(BaseCommand):
    help = "Replaces everything with a backup's contents. Stop web, worker and beat first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        source: Path = options["file"].absolute()
        if not source.is_file():
            raise CommandError(f"There is no file {source}.")
        if not options["yes"] and not _is_wanted():
            raise CommandError("Nothing was changed.")
        try:
            read_dump(source, database=settings.DATABASES["migrator"])
        except DumpFailed as error:
            raise CommandError(f"The restore failed and changed nothing: {error}") from None
        apply_grants("migrator")
        self.stdout.write(f"Restored {selectors.count_tenants()} organisations from {source}.")


def _is_wanted() -> bool:
    try:
        return input("This replaces all data. Type `replace` to go on: ").strip() == "replace"
    except EOFError:
        # Nobody is there to ask.
        return False
