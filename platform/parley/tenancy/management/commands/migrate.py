"""Django's `migrate`, run by the owner role and followed by the grants of the other roles."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections

from parley.db.migration_states import rendering_dependents_only
from parley.tenancy.grants import apply_grants

MIGRATOR_ALIAS = "migrator"


class Command(migrate.Command):
    """Changes the schema as app_migrator: the role that serves requests owns nothing."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=MIGRATOR_ALIAS)

    def handle(self, *args: Any, **options: Any) -> None:
        # A migration waits two seconds for a lock and then gives up, instead of queueing all traffic behind it.
        with connections[options["database"]].cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        with rendering_dependents_only():
            super().handle(*args, **options)
        apply_grants(options["database"])
