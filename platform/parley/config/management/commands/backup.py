"""Writes the whole database to one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from parley.db.dumps import DumpFailed, write_dump


class Command(BaseCommand):
    help = "Writes all organisations' data, documents included, to a file that `restore` reads."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        target: Path = options["file"].absolute()
        if not target.parent.is_dir():
            raise CommandError(f"The folder {target.parent} does not exist.")
        try:
            write_dump(target, database=settings.DATABASES["migrator"])
        except DumpFailed as error:
            raise CommandError(f"The backup failed: {error}") from None
        size = target.stat().st_size / 1_000_000
        self.stdout.write(f"Wrote {target} ({size:.1f} MB). Keep PARLEY_ENCRYPTION_KEYS with it, but not beside it.")
