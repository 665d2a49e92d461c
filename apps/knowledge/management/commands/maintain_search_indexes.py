"""`manage.py maintain_search_indexes [--watch]`: makes, measures and drops what makes searching fast."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from apps.knowledge.services.search_maintenance import OWNER, maintain_search_indexes

_PAUSE_SECONDS = 60
# Words of deleted documents are erased within the hour.
_PASSES_PER_ERASURE = 60


class Command(BaseCommand):
    """One pass, or one each minute until stopped. Needs PARLEY_MIGRATOR_DATABASE_URL, the tables' owner."""

    help = (
        "Makes HNSW graphs for large knowledge bases, drops those nobody needs, merges the segments of words and "
        "erases the words of deleted documents. Searches and imports go on meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watch", action="store_true", help="go on for ever, with a pass each minute")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["watch"]:
            self.stdout.write(str(maintain_search_indexes()))
            return
        passes = 0
        while True:
            maintain_search_indexes(erase_words=passes % _PASSES_PER_ERASURE == 0)
            passes += 1
            # Nothing is held while it waits, neither a lock nor a connection.
            connections[OWNER].close()
            connections["default"].close()
            time.sleep(_PAUSE_SECONDS)
